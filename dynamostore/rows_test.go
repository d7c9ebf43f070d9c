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
	rows := make([]map[string]types.AttributeValue, 0, len(all)+1)
	for _, it := range append(all, r.item()) {
		rows = append(rows, ofAWS(it))
	}
	return rows
}

// ofAWS is a row as AWS's client has it.
func ofAWS(it item) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{}
	for name, v := range it {
		switch {
		case v.S != nil:
			out[name] = &types.AttributeValueMemberS{Value: *v.S}
		case v.N != nil:
			out[name] = &types.AttributeValueMemberN{Value: *v.N}
		case v.M != nil:
			out[name] = &types.AttributeValueMemberM{Value: ofAWS(*v.M)}
		}
	}
	return out
}
