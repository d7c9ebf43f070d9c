package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/terminal"
	_ "github.com/wirepost/wirepost/sqlitestore" // the default store
)

// folder is where dev keeps what outlives it: the store, the API ID and the key
// pair. The other commands, run in the same directory, find them there.
const folder = ".wirepost"

const defaultStore = "sqlite:" + folder + "/store.db"

// storeURL is the flag, the environment, or the store of the folder's last dev.
func storeURL(flagged string) string {
	kept, _ := os.ReadFile(storeFile)
	return cmp.Or(flagged, os.Getenv("WIREPOST_STORE"), strings.TrimSpace(string(kept)), defaultStore)
}

// storeFile has the URL of the store of the folder's last dev, if that is another
// than defaultStore: the commands beside a dev need no flags.
var storeFile = filepath.Join(folder, "store-url")

func keepStoreURL(url string) error {
	if url == defaultStore {
		if err := os.Remove(storeFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget the last store: %w", err)
		}
		return nil
	}
	if err := atomicfile.Write(storeFile, []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the store's URL for other commands: %w", err)
	}
	return nil
}

// storeFlag is what a command in a hint has to say again of a store.
func storeFlag(flagged string) string {
	if flagged == "" {
		return ""
	}
	return " --store " + terminal.Word(flagged)
}

// openStore opens a store that should be there already: only dev makes one.
func openStore(ctx context.Context, url string) (wirepost.Store, error) {
	if strings.HasPrefix(url, "mem:") {
		return nil, &hinted{errors.New("a store in memory is of one process, and this is another"), "use sqlite:PATH for both"}
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, &hinted{fmt.Errorf("there is no store at %s", path), "run 'wirepost dev' in this folder, or name a store with --store or WIREPOST_STORE"}
		}
	}
	return wirepost.OpenStore(ctx, url)
}

// hinted is an error of the command's own with its cure.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Fix is the cure, for the doctor.
func (h *hinted) Fix() string { return h.hint }

// failWith is fail for errors that may carry a hint.
func (c *command) failWith(err error) int {
	var h *hinted
	if errors.As(err, &h) {
		c.complain(err.Error(), h.hint)
		return exitFailed
	}
	return c.fail(err)
}

var apiIDForm = regexp.MustCompile(`^[a-z0-9]{10}$`)

// apiID is the folder's API: ten characters made once, so that what was stored
// under them survives a restart and a change of port, and two laptops on one
// table never meet. said is for the user; empty if there is nothing to say.
func apiID(ctx context.Context) (id, said string, err error) {
	id, err = storedAPIID()
	switch {
	case err == nil && apiIDForm.MatchString(id):
		return id, "", nil
	case err == nil && id != "":
		return "", "", &hinted{fmt.Errorf("read %s: %q is not an API ID of ten lower-case letters and digits", apiIDFile, id), "remove the file; connections of the earlier runs then count as another API's"}
	case err == nil:
		// Older versions left an empty file when the disk was full, and lost power does.
		if id, err = lastAPIID(ctx); err != nil {
			return "", "", fmt.Errorf("%s is empty; find the API ID in the store of this folder: %w", apiIDFile, err)
		}
		said = fmt.Sprintf("%s was empty; the API ID is %s again, which the store of this folder has", apiIDFile, id)
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("read the API ID: %w", err)
	}
	if id == "" {
		if id = newAPIID(); err == nil {
			said = fmt.Sprintf("%s was empty; the new API ID is %s, and connections of earlier runs, if there are any, count as another API's", apiIDFile, id)
		}
	}
	if err := atomicfile.Write(apiIDFile, []byte(id+"\n"), 0o600); err != nil {
		return "", "", fmt.Errorf("keep the API ID: %w", err)
	}
	return id, said, nil
}

var apiIDFile = filepath.Join(folder, "api-id")

func newAPIID() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567" // 32: no bias
	b := make([]byte, 10)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b)
}

// lastAPIID is the API of the newest endpoint of this machine in the store that is in
// the folder, and so nobody else's; empty if it has none.
func lastAPIID(ctx context.Context) (string, error) {
	if noDefaultStore() {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	store, err := openStore(ctx, defaultStore)
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
		if onThisMachine(r.URL) && apiIDForm.MatchString(r.APIID) && r.Newer(newest) {
			newest = r
		}
	}
	return newest.APIID, nil
}

// storedAPIID is the folder's API, if dev has run here; empty if the file is. Lost
// power may leave zeros in a file.
func storedAPIID() (string, error) {
	b, err := os.ReadFile(apiIDFile)
	return strings.Trim(string(b), " \t\r\n\x00"), err
}

// clearFolder removes what a dev that was killed has not finished. The folder is
// locked.
func clearFolder() error {
	err := atomicfile.Clean(folder)
	functions := filepath.Join(folder, "functions")
	entries, _ := os.ReadDir(functions) // not there: no function has run here
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		err = errors.Join(err, atomicfile.Clean(filepath.Join(functions, e.Name())))
	}
	return err
}

// keyPair is what signs when dev listens on an address that others can reach.
type keyPair struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

var keyPairFile = filepath.Join(folder, "credentials.json")

// newKeyPair makes a pair and keeps it where send, list and kick find it.
func newKeyPair() (keyPair, error) {
	pair := keyPair{"WP" + rand.Text()[:18], rand.Text() + rand.Text()}
	b, err := json.Marshal(pair)
	if err != nil {
		return pair, err
	}
	if err := atomicfile.Write(keyPairFile, b, 0o600); err != nil {
		return pair, fmt.Errorf("keep the key pair: %w", err)
	}
	return pair, nil
}

// storedKeyPair is nil unless the last dev made a pair.
func storedKeyPair() (*keyPair, error) {
	b, err := os.ReadFile(keyPairFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var pair keyPair
	if err == nil {
		if err = json.Unmarshal(b, &pair); err == nil && (pair.AccessKeyID == "" || pair.SecretAccessKey == "") {
			err = errors.New("it has no key pair")
		}
	}
	if err != nil {
		return nil, &hinted{fmt.Errorf("read %s: %w", keyPairFile, err), "start 'wirepost dev' in this folder again, which makes a new pair or needs none"}
	}
	return &pair, nil
}

// publisherOptions sign with the pair that dev made in this folder, if there is one
// and the store knows gateways on such machines only: AWS does not know the pair.
func publisherOptions(ctx context.Context, store wirepost.Store) (*wirepost.PublisherOptions, error) {
	o := &wirepost.PublisherOptions{}
	pair, damaged := storedKeyPair()
	if pair == nil && damaged == nil {
		return o, nil
	}
	stages, err := store.Stages(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(stages, func(r wirepost.StageRecord) bool { return !onThisMachine(r.URL) }) {
		return o, nil
	}
	if damaged != nil {
		return nil, damaged
	}
	o.Credentials = pair
	return o, nil
}

// onThisMachine reports whether an endpoint is of whichever machine asks: plain
// HTTP goes nowhere else.
func onThisMachine(endpoint string) bool { return strings.HasPrefix(endpoint, "http://") }

// blamePair gives an error of a signature the cure for a pair of this folder: the
// library's is about the environment, which was not asked.
func blamePair(err error, signedWith aws.CredentialsProvider) error {
	e, ok := errors.AsType[*wirepost.Error](err)
	if _, pair := signedWith.(*keyPair); !pair || !ok || e.Problem != wirepost.ProblemSignatureMismatch && e.Problem != wirepost.ProblemCredentialsInvalid {
		return err
	}
	of := *e
	of.FixText = "the pair in " + keyPairFile + " is not that of the gateway that answers; start 'wirepost dev' in this folder again, or take the file of the gateway's folder"
	return &of
}

// Retrieve implements aws.CredentialsProvider for a loopback endpoint.
func (k *keyPair) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, Source: keyPairFile}, nil
}

// noPair stands for a key pair that cannot be read.
type noPair struct{ err error }

// Retrieve implements aws.CredentialsProvider.
func (n noPair) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, n.err }
