package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/hint"
)

const (
	controlTimeout = 5 * time.Second
	// maxControlAnswer bounds what is read of an answer that is not a stream.
	maxControlAnswer = 4 << 20
)

// controlClient asks a running dev. There is no proxy, because it is this machine, and
// a redirect is not followed: what listens at the address after dev has ended is not to
// send the token elsewhere.
func controlClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: controlTimeout, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: stay,
	}
}

// stay is the CheckRedirect of a client that follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// askControl asks the running dev and reads its answer into out.
func askControl(ctx context.Context, method, path string, body []byte, out any) error {
	where, err := folder.Control()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, where.URL+path, bytesReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+where.Token)
	answer, err := controlClient().Do(r)
	if err != nil {
		return hint.New(fmt.Errorf("ask the running 'wirepost dev' at %s: %w", where.URL, err), "if it has ended, start it again")
	}
	defer answer.Body.Close()
	d := json.NewDecoder(io.LimitReader(answer.Body, maxControlAnswer))
	if answer.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if d.Decode(&refused) != nil || refused.Error == "" {
			refused.Error = answer.Status
		}
		return errors.New(refused.Error)
	}
	return d.Decode(out)
}
