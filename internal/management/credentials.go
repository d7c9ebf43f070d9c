package management

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/awsconfig"
)

// DevelopmentCredentials are the fixed pair that wirepost's gateway accepts on a
// loopback address. They open nothing else, which is why they may be public.
var DevelopmentCredentials = aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost", Source: "wirepost development pair"}

// ofRun is how the access keys begin that dev makes for a gateway which other machines
// reach, and gives to its functions. No access key of AWS's does (IAM user guide, "IAM
// identifiers": AKIA and ASIA).
const ofRun = "WP"

// ofThisMachine is what signs for a gateway on this machine. A key of AWS's never does:
// whatever listens there would get its signature.
func ofThisMachine() aws.Credentials {
	// Under WIREPOST's names where a function has its caller's own credentials under AWS's.
	for _, name := range [...]struct{ id, secret string }{{"WIREPOST_ACCESS_KEY_ID", "WIREPOST_SECRET_ACCESS_KEY"}, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}} {
		if id := os.Getenv(name.id); strings.HasPrefix(id, ofRun) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: os.Getenv(name.secret), Source: "the pair of this run of wirepost dev"}
		}
	}
	return DevelopmentCredentials
}

// Credentials finds what to sign with: what the caller gave; for a loopback endpoint
// the pair that dev made for this run and put into the environment, or else the
// development pair; otherwise the environment or, in a program that links package
// awschain, AWS's whole chain, which is loaded at the first call that needs it. The
// clients of a process share one. Safe for concurrent use.
type Credentials struct {
	given aws.CredentialsProvider

	mu    sync.Mutex
	chain aws.CredentialsProvider
}

// NewCredentials uses a provider of the caller's, whose answers are cached as AWS's
// clients do: a provider that asks STS is not asked for each call. Nil means none.
func NewCredentials(given aws.CredentialsProvider) *Credentials {
	c := &Credentials{}
	if given != nil {
		c.given = aws.NewCredentialsCache(given)
	}
	return c
}

func (c *Credentials) retrieve(ctx context.Context, loopback bool) (aws.Credentials, error) {
	if c.given != nil {
		return c.given.Retrieve(ctx)
	}
	if loopback {
		return ofThisMachine(), nil
	}
	c.mu.Lock()
	chain := c.chain
	if chain == nil {
		cfg, err := awsconfig.Load(ctx, nil)
		if err != nil {
			c.mu.Unlock()
			return aws.Credentials{}, err
		}
		chain = aws.NewCredentialsCache(cfg.Credentials)
		c.chain = chain
	}
	c.mu.Unlock()
	return chain.Retrieve(ctx)
}
