package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"
)

// A function may put all that a client has sent into its error, and more.
func TestALoggedErrorOfAFunctionIsCut(t *testing.T) {
	for length, most := range map[int]int{100: 400, 3 << 20: maxLoggedError + 400} {
		var out bytes.Buffer
		s := &Server{Logger: slog.New(slog.NewTextHandler(&out, nil)), Function: FunctionFunc(func(context.Context, []byte) ([]byte, error) { return nil, nil })}
		e, err := s.ready()
		if err != nil {
			t.Fatal(err)
		}
		e.report(errors.New(strings.Repeat("ą", length)), "$default", "c=")
		if n := strings.Count(out.String(), "ą"); out.Len() > most || n < min(length, maxLoggedError/2-10) || !utf8.Valid(out.Bytes()) {
			t.Errorf("of an error of %d letters %d bytes with %d of them were logged", length, out.Len(), n)
		}
	}
}
