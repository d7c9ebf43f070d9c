package wirepost_test

import (
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestAMissingDriverIsNamedByItsScheme(t *testing.T) {
	_, err := wirepost.OpenStore(t.Context(), "dynamodb://connections")
	if err == nil || !strings.Contains(err.Error(), `import _ "github.com/wirepost/wirepost/dynamostore"`) {
		t.Error(err)
	}
}
