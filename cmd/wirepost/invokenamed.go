package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wirepost/wirepost/internal/dev"
	"github.com/wirepost/wirepost/internal/hint"
)

// functionName is what names a function of the running dev: a file has a dot, and a
// program a slash or a colon. An address of Terraform has dots, too.
var functionName = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9_-]*|arn:aws[A-Za-z-]*:lambda:.+|(?:module\.[^/]+\.)?aws_lambda_function\.[^/]+)$`)

// invocationTime is as long as any function may take, and a little more.
const invocationTime = 16 * time.Minute

// forName says which flags are of a program, and not of a function of the running dev.
func (i *invocation) forName(flags *pflag.FlagSet) *hint.Error {
	if i.name == "" {
		return nil
	}
	for _, name := range []string{"timeout", "store", "credentials"} {
		if flags.Changed(name) {
			return hint.New(fmt.Errorf("--%s applies to a program after --, but %s is a function of the running 'wirepost dev'", name, i.name), "give it to 'wirepost dev', or name a program after --")
		}
	}
	return nil
}

// lookAround finds the dev that runs in the folder, where sample events come from. A
// function of it needs it; all else does without.
func (i *invocation) lookAround(ctx context.Context) error {
	var d dev.Description
	if err := askControl(ctx, http.MethodGet, "/run/description", nil, &d); err != nil {
		if i.name == "" {
			return nil
		}
		return err
	}
	i.at = place{host: d.DomainName, stage: d.Stage, apiID: d.APIID, region: d.Region, account: d.Account, endpoint: d.Endpoint}
	i.at.route = func(message string) (string, error) {
		var selected dev.Selected
		if err := askControl(ctx, http.MethodPost, "/run/route", []byte(message), &selected); err != nil {
			return "", err
		}
		if selected.Route == "" {
			return "", errors.New("--body: the running 'wirepost dev' has no route for this message, and no $default")
		}
		return selected.Route, nil
	}
	return nil
}

// invokeNamed gives the event to a function of the running dev.
func (c *command) invokeNamed(ctx context.Context, i *invocation) int {
	c.step("waiting for the function")
	said, err := askFunction(ctx, i.name, i.payload)
	if err != nil {
		return c.failWith(err)
	}
	lines := c.stderr.Lines()
	for _, line := range said.Lines {
		_, _ = fmt.Fprintf(lines, "[%s] %s\n", i.name, line)
	}
	if said.Error != "" {
		return c.fail(fmt.Errorf("the function answered with an error: %s", said.Error))
	}
	answer := []byte(said.Text)
	if said.Answer != nil {
		answer = said.Answer
	}
	if err := c.stdout.Data(bytes.TrimSpace(answer)); err != nil {
		return c.fail(fmt.Errorf("print the answer: %w", err))
	}
	return exitDone
}

// askFunction is askControl for an invocation, which takes its time.
func askFunction(ctx context.Context, name string, event []byte) (said dev.Invoked, err error) {
	where, err := folder.Control()
	if err != nil {
		return said, err
	}
	ctx, cancel := context.WithTimeout(ctx, invocationTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, where.URL+"/run/invoke?function="+url.QueryEscape(name), bytes.NewReader(event))
	if err != nil {
		return said, err
	}
	r.Header.Set("Authorization", "Bearer "+where.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}, CheckRedirect: stay}
	answer, err := client.Do(r)
	if err != nil {
		return said, hint.New(fmt.Errorf("invoke %s of the running 'wirepost dev' at %s: %w", name, where.URL, err), "if it has ended, start it again")
	}
	defer answer.Body.Close()
	d := json.NewDecoder(io.LimitReader(answer.Body, maxInvoked))
	if answer.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if d.Decode(&refused) != nil || refused.Error == "" {
			refused.Error = strings.ToLower(answer.Status)
		}
		return said, errors.New(refused.Error)
	}
	return said, d.Decode(&said)
}

// maxInvoked is what is read of an answer: Lambda's largest, escaped, and log lines.
const maxInvoked = 16 << 20
