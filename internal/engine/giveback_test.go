package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A function gives a message back by making it visible at once.
func TestAMessageThatIsGivenBackComesAgainAtOnce(t *testing.T) {
	for _, c := range []struct{ name, create, send string }{
		{"jobs", `{"QueueName":"jobs"}`, `{"QueueUrl":"URL","MessageBody":"kept"}`},
		{"jobs.fifo", `{"QueueName":"jobs.fifo","Attributes":{"FifoQueue":"true"}}`, `{"QueueUrl":"URL","MessageBody":"kept","MessageGroupId":"g","MessageDeduplicationId":"d"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			of := Config{Kind: SQS, Folder: folder, Tools: tools(t)}
			e := run(t, of)
			var queue struct{ QueueUrl string }
			call := func(operation, body string, out any) {
				t.Helper()
				status, answer := ask(t, e.URL(), e.Authorize, "AmazonSQS."+operation, strings.Replace(body, `"URL"`, `"`+queue.QueueUrl+`"`, 1))
				if status != http.StatusOK {
					t.Fatalf("%s: %d %s", operation, status, answer)
				}
				if out != nil {
					if err := json.Unmarshal([]byte(answer), out); err != nil {
						t.Fatal(err)
					}
				}
			}
			call("CreateQueue", c.create, &queue)
			call("SendMessage", c.send, nil)
			type received struct {
				Messages []struct {
					ReceiptHandle, Body string
					Attributes          map[string]string
				}
			}
			take := func(count string) (handle string) {
				t.Helper()
				var got received
				call("ReceiveMessage", `{"QueueUrl":"URL","VisibilityTimeout":600,"WaitTimeSeconds":1,"AttributeNames":["All"]}`, &got)
				if len(got.Messages) != 1 || got.Messages[0].Body != "kept" || got.Messages[0].Attributes["ApproximateReceiveCount"] != count {
					t.Fatalf("received %+v, want the message for the time %s", got, count)
				}
				return got.Messages[0].ReceiptHandle
			}
			giveBack := func(handle string) {
				t.Helper()
				call("ChangeMessageVisibility", `{"QueueUrl":"URL","ReceiptHandle":"`+handle+`","VisibilityTimeout":0}`, nil)
			}
			giveBack(take("1"))
			giveBack(take("2"))
			// What was given back is in the folder, too, with how often it was received.
			if err := e.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			e = run(t, of)
			take("3")
		})
	}
}
