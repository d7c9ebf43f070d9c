// Command elsewhere is the other function: a program that has never seen a
// WebSocket event. It opens the store and publishes each line of its standard
// input to a topic.
//
//	seq 3 | go run ./examples/elsewhere -topic lobby
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/awschain" // not a Lambda: profiles, single sign-on, roles
	_ "github.com/wirepost/wirepost/dynamostore"
	_ "github.com/wirepost/wirepost/sqlitestore"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("elsewhere: ")
	topic := flag.String("topic", "lobby", "the `topic` to publish to")
	storeURL := flag.String("store", cmp.Or(os.Getenv("WIREPOST_STORE"), "sqlite:.wirepost/store.db"), "the store's `URL`")
	flag.Parse()
	ctx := context.Background() // Ctrl-C ends the program; there is nothing to save

	store, err := wirepost.OpenStore(ctx, *storeURL)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	publisher := wirepost.NewPublisher(store, nil)
	defer publisher.CloseIdleConnections()
	if err := publishLines(ctx, publisher, wirepost.ToTopic(*topic), os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// publishLines publishes one line after the other: the next starts when the last
// has been answered, which keeps their order for every client.
func publishLines(ctx context.Context, publisher *wirepost.Publisher, to wirepost.Audience, in io.Reader, out io.Writer) error {
	var lines, sent, gone, failed int
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, wirepost.MaxMessage+1)
	for scan.Scan() {
		result, err := publisher.Publish(ctx, to, scan.Bytes(), nil)
		if err != nil {
			return fmt.Errorf("line %d: %w", lines+1, err)
		}
		lines++
		sent, gone, failed = sent+result.Sent, gone+result.Gone, failed+result.Failed
		for _, err := range result.Errors {
			fmt.Fprintf(out, "line %d: %v\n", lines, err)
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("line %d: %w", lines+1, err)
	}
	fmt.Fprintf(out, "published %d lines to %s: sent %d, gone %d, failed %d\n", lines, to, sent, gone, failed)
	if failed > 0 {
		return fmt.Errorf("%d posts failed", failed)
	}
	return nil
}
