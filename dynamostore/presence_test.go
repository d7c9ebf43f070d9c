package dynamostore_test

import (
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/dynamolocal"
	"github.com/wirepost/wirepost/wireposttest"
)

func TestThePresenceKeepsTheContract(t *testing.T) {
	for _, kind := range []dynamolocal.Kind{dynamolocal.DynamoDBLocal, dynamolocal.Dynalite} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			endpoint := dynamolocal.Start(t, kind)
			wireposttest.TestPresence(t, func(t *testing.T, o wireposttest.StoreOptions) wirepost.Store {
				return create(t, endpoint, &dynamostore.Options{Now: o.Now})
			})
		})
	}
}
