package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/hint"
)

// apiID is the part that knows which API this is: the ID of the folder, with the stage
// and the region that were asked for.
type apiID struct {
	c *Config
	nothingToStop

	id string
}

func (a *apiID) start(ctx context.Context) (err error) {
	id, said, err := a.c.Folder.makeAPIID(ctx)
	if err != nil {
		return err
	}
	if said != "" {
		a.c.Report.Hint(said)
	}
	a.id = id
	if err := a.identity().Validate(); err != nil {
		return &ConfigError{err, "a stage has letters, digits, - and _; a region looks like us-east-1"}
	}
	return nil
}

func (a *apiID) identity() wirepost.Identity {
	return wirepost.Identity{APIID: a.id, Stage: a.c.Stage, Region: a.c.Region}
}

// awsName is the name that the API would have on AWS.
func (a *apiID) awsName() string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(a.c.Region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return a.id + ".execute-api." + a.c.Region + "." + suffix
}

var apiIDForm = regexp.MustCompile(`^[a-z0-9]{10}$`)

// makeAPIID is the folder's API: ten characters made once, so that what was stored
// under them survives a restart and a change of port, and two laptops on one
// table never meet. said is for the user; empty if there is nothing to say.
func (f Folder) makeAPIID(ctx context.Context) (id, said string, err error) {
	file := f.file("api-id")
	id, err = f.APIID()
	switch {
	case err == nil && apiIDForm.MatchString(id):
		return id, "", nil
	case err == nil && id != "":
		return "", "", hint.New(fmt.Errorf("read %s: %.40q is not an API ID of ten lower-case letters and digits", file, id), "remove the file; connections of the earlier runs then count as another API's")
	case err == nil:
		// Older versions left an empty file when the disk was full, and lost power does.
		if id, err = f.lastAPIID(ctx); err != nil {
			return "", "", fmt.Errorf("%s is empty; find the API ID in the store of this folder: %w", file, err)
		}
		said = fmt.Sprintf("%s was empty; the API ID is %s again, which the store of this folder has", file, id)
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("read the API ID: %w", err)
	}
	if id == "" {
		if id = newAPIID(); err == nil {
			said = fmt.Sprintf("%s was empty; the new API ID is %s, and connections of earlier runs, if there are any, count as another API's", file, id)
		}
	}
	if err := atomicfile.Write(file, []byte(id+"\n"), 0o600); err != nil {
		return "", "", fmt.Errorf("keep the API ID: %w", err)
	}
	return id, said, nil
}

func newAPIID() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567" // 32: no bias
	b := make([]byte, 10)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b)
}

// storeTime bounds a look into the folder's store.
const storeTime = 30 * time.Second

// lastAPIID is the API of the newest endpoint of this machine in the store that is in
// the folder, and so nobody else's; empty if it has none.
func (f Folder) lastAPIID(ctx context.Context) (string, error) {
	if !f.HasDefaultStore() {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	store, err := wirepost.OpenStore(ctx, f.DefaultStore())
	if err != nil {
		return "", err
	}
	defer store.Close()
	stages, err := store.Stages(ctx)
	if err != nil {
		return "", err
	}
	var newest wirepost.StageRecord
	for _, r := range stages {
		if OnThisMachine(r.URL) && apiIDForm.MatchString(r.APIID) && r.Newer(newest) {
			newest = r
		}
	}
	return newest.APIID, nil
}

// APIID is the folder's API, if a dev has run in it; empty if the file is. Lost
// power may leave zeros in a file.
func (f Folder) APIID() (string, error) {
	b, err := atomicfile.Read(f.file("api-id"))
	return strings.Trim(string(b), " \t\r\n\x00"), err
}

// OnThisMachine reports whether an endpoint is of whichever machine asks: plain
// HTTP goes nowhere else.
func OnThisMachine(endpoint string) bool { return strings.HasPrefix(endpoint, "http://") }
