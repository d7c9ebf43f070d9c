package sdkclient

import (
	"context"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// keptBytes is how much of a body is kept.
const keptBytes = 2 << 10

// keepBodies lets the answers that are no successes keep the beginning of their bodies:
// an error of AWS's client has the answer, but its body has been read.
func keepBodies(stack *middleware.Stack) error {
	// After all others: it is the first to see an answer.
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("wirepost:KeepBody", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && resp.Response != nil && resp.Body != nil && resp.StatusCode/100 != 2 {
			resp.Body = &keptBody{ReadCloser: resp.Body}
		}
		return out, metadata, err
	}), middleware.After)
}

// keptBody remembers the first of what is read of it.
type keptBody struct {
	io.ReadCloser
	kept []byte
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.kept = append(b.kept, p[:min(n, keptBytes-len(b.kept))]...)
	return n, err
}

// Kept is what was read, 2 KB at most. [wirepost.Explain] looks for this method.
func (b *keptBody) Kept() []byte { return b.kept }
