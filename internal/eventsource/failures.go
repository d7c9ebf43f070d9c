package eventsource

import (
	"encoding/json"
	"errors"
	"fmt"
)

// failedItems are the identifiers of the records that a function reports as failed, of
// its answer to a batch with ReportBatchItemFailures. known reports whether an identifier
// is that of a record of the batch.
//
// An error means that the whole batch has failed: the answer is not JSON, or an item has
// no identifier, an empty one, or one that no record of the batch has. An answer that is
// empty or null, or has no list, an empty one or null, means that all have succeeded.
// (AWS docs, Lambda developer guide, "Implementing partial batch responses", success and
// failure conditions. That an answer which is JSON but no object counts as a failure is
// UNCERTAIN.)
func failedItems(answer []byte, known func(id string) bool) ([]string, error) {
	if len(answer) == 0 {
		return nil, nil
	}
	// Not a struct: Go would take a name in other letters, too.
	var said map[string]json.RawMessage
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, fmt.Errorf("its answer is not that of ReportBatchItemFailures: %w", err)
	}
	var items []map[string]any
	if list := said["batchItemFailures"]; list != nil {
		if err := json.Unmarshal(list, &items); err != nil {
			return nil, fmt.Errorf("batchItemFailures in its answer is not a list of items: %w", err)
		}
	}
	var ids []string
	for _, item := range items {
		id, _ := item["itemIdentifier"].(string)
		switch {
		case id == "":
			return nil, errors.New("an item of batchItemFailures has no itemIdentifier")
		case !known(id):
			return nil, fmt.Errorf("the itemIdentifier %.100q matches no record of the batch", id)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
