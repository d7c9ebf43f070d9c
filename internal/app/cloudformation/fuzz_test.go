package cloudformation

import (
	"errors"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/app"
	"github.com/wirepost/wirepost/internal/app/document"
)

// FuzzEvaluate: whatever the bytes are, working out a whole template does not panic,
// ends soon, and gives a stack or a mistake with its file.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte(goodLines))
	f.Add([]byte(stringBomb()))
	f.Add([]byte(parameterBomb()))
	f.Add([]byte(pingAPI))
	f.Add([]byte(comparedTemplate))
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		stack, err := evaluate("t", data, document.NewReading("t"), Options{})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("evaluating %d bytes took %v", len(data), took)
		}
		if (stack == nil) == (err == nil) {
			t.Errorf("evaluated to %v with the error %v", stack, err)
		}
		if e := (*app.Error)(nil); err != nil && (!errors.As(err, &e) || e.Position.File == "" || e.Text == "") {
			t.Errorf("error %#v, want an *app.Error with its file", err)
		}
	})
}
