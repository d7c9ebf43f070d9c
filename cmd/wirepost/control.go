package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/hint"
)

const controlTimeout = 5 * time.Second

// askControl asks the running dev and reads its answer into out.
func askControl(ctx context.Context, method, path string, body []byte, out any) error {
	where, err := folder.Control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, where.URL+path, bytesReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+where.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	answer, err := client.Do(r)
	if err != nil {
		return hint.New(fmt.Errorf("ask the running 'wirepost dev' at %s: %w", where.URL, err), "if it has ended, start it again")
	}
	defer answer.Body.Close()
	d := json.NewDecoder(answer.Body)
	if answer.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if d.Decode(&refused) != nil || refused.Error == "" {
			refused.Error = answer.Status
		}
		return errors.New(refused.Error)
	}
	return d.Decode(out)
}
