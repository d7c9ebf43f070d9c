package wirepost

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/awsconfig"
)

// developmentRegion is the region of a gateway on this machine unless it was
// told another.
const developmentRegion = "us-east-1"

// developmentCredentials are the fixed pair that wirepost's gateway accepts on a
// loopback address. They open nothing else, which is why they may be public.
var developmentCredentials = aws.Credentials{AccessKeyID: "wirepost", SecretAccessKey: "wirepost", Source: "wirepost development pair"}

// credentialSource finds what to sign with: what the caller gave, the
// development pair for a loopback endpoint, for the rest the environment or, in a
// program that links package awschain, AWS's whole chain. It is loaded at the first
// post that needs it and kept.
type credentialSource struct {
	given aws.CredentialsProvider

	mu    sync.Mutex
	chain aws.CredentialsProvider
}

func (s *credentialSource) retrieve(ctx context.Context, loopback bool) (aws.Credentials, error) {
	if s.given != nil {
		return s.given.Retrieve(ctx)
	}
	if loopback {
		return developmentCredentials, nil
	}
	s.mu.Lock()
	chain := s.chain
	if chain == nil {
		cfg, err := awsconfig.Load(ctx, nil)
		if err != nil {
			s.mu.Unlock()
			return aws.Credentials{}, err
		}
		chain = aws.NewCredentialsCache(cfg.Credentials)
		s.chain = chain
	}
	s.mu.Unlock()
	return chain.Retrieve(ctx)
}
