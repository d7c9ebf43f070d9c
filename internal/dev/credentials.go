package dev

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/gateway"
	"github.com/wirepost/wirepost/internal/hint"
)

// credentials is the part that says who may sign: the development pair where only this
// machine can, and a pair that it makes where others can reach the gateway.
type credentials struct {
	c        *Config
	listener *listener
	nothingToStop

	accepted  []gateway.Credentials // by the gateway
	hosts     []string              // that management calls may be sent to; nil for all
	functions gateway.Credentials   // what functions sign with
	pair      *KeyPair              // nil for the development pair
}

func (k *credentials) start(ctx context.Context) error {
	if err := k.choose(); err != nil {
		return err
	}
	k.functions = k.accepted[0]
	if !k.c.Inherit {
		return nil
	}
	k.c.Report.Begins("looking for your AWS credentials")
	own, account, err := callerCredentials(ctx)
	if err != nil {
		return err
	}
	k.functions, k.accepted = own, append(k.accepted, own)
	k.c.Report.Hint("functions have your own AWS credentials" + ofAccount(account))
	return nil
}

func (k *credentials) choose() error {
	if k.listener.address().IP.IsLoopback() {
		os.Remove(k.c.Folder.KeyPairFile()) // an earlier run's pair would sign wrongly now
		k.accepted = []gateway.Credentials{gateway.DevelopmentCredentials()}
		// That pair is no secret: a page whose name points here could sign.
		k.hosts = []string{"localhost", "127.0.0.1", "[::1]", "::1", k.listener.address().IP.String()}
		return nil
	}
	pair, err := k.c.Folder.newKeyPair()
	if err != nil {
		return err
	}
	k.accepted = []gateway.Credentials{{AccessKeyID: pair.AccessKeyID, SecretAccessKey: pair.SecretAccessKey}}
	k.pair = pair
	k.c.Report.Hint(fmt.Sprintf("%s can be reached from other machines, so posts have to be signed with a pair of its own, which is shown once: access key %s, secret %s", k.listener.Addr(), pair.AccessKeyID, pair.SecretAccessKey))
	return nil
}

// publisher makes a publisher that the gateway accepts. The caller closes it.
func (k *credentials) publisher(store wirepost.Store, keep map[string]time.Duration) *wirepost.Publisher {
	o := &wirepost.PublisherOptions{Logger: k.c.Logger, Endpoint: k.listener.endpoint(), Region: k.c.Region}
	if os.Getenv("WIREPOST_KEEP") == "" {
		o.Keep = keep
	}
	if k.pair != nil {
		o.Credentials = k.pair
	}
	return wirepost.NewPublisher(store, o)
}

func ofAccount(account string) string {
	if account == "" {
		return ""
	}
	return ", of the account that ends in " + account
}

// callerCredentials resolves the caller's credentials once, as every AWS program
// finds them, and names their account by its last four digits.
func callerCredentials(ctx context.Context) (pair gateway.Credentials, account string, err error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return pair, "", fmt.Errorf("read AWS's configuration: %w", err)
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return pair, "", hint.New(errors.New("--credentials inherit: there are no AWS credentials here"), "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or leave --credentials at dev")
	}
	return gateway.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, accountOf(c), nil
}

// accountOf is the last four digits of the account of credentials, empty if they do
// not tell. Without a call to AWS there is what the provider says, and what the
// access key's ID is made of: base32, whose first 48 bits have the account's number
// in them, shifted by 7 (UNCERTAIN: researchers found it, AWS does not document it).
func accountOf(c aws.Credentials) string {
	account := c.AccountID
	if account == "" && len(c.AccessKeyID) == 20 && (strings.HasPrefix(c.AccessKeyID, "AKIA") || strings.HasPrefix(c.AccessKeyID, "ASIA")) {
		if raw, err := base32.StdEncoding.DecodeString(c.AccessKeyID[4:]); err == nil && len(raw) >= 6 {
			n := binary.BigEndian.Uint64(append([]byte{0, 0}, raw[:6]...))
			account = fmt.Sprintf("%012d", n&0x7fffffffff80>>7)
		}
	}
	if len(account) < 4 {
		return ""
	}
	return account[len(account)-4:]
}
