package doctor

import (
	"fmt"
	"strings"
	"testing"
)

func TestAHandlerWithoutAFunctionPanicsAtOnce(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "the function is nil") {
			t.Errorf("Handler(nil): %s", got)
		}
	}()
	Handler(nil, nil)
}
