package dynamostore

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/wirepost/wirepost"
)

// RowsOf are the rows that a Put of a connection writes where no topic has more
// than one shard, the connection row last. Many of them are written quicker by
// somebody else.
func RowsOf(s *Store, c wirepost.Connection) []map[string]types.AttributeValue {
	r := row{id: c.ID, endpoint: c.Endpoint, user: c.User, topics: map[string]int{}, connectedAt: milliseconds(c.ConnectedAt), expiresAt: milliseconds(c.ExpiresAt), version: s.firstVersion()}
	for _, t := range c.Topics {
		r.topics[t] = 0
	}
	var all []item
	for k := range r.subscriptions() {
		all = append(all, subscriptionItem(k, r.expiresAt))
	}
	return append(all, r.item())
}
