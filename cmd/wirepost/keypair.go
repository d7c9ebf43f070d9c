package main

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/dev"
)

// publisherOptions sign with the pair that dev made in this folder, if there is one
// and the store knows gateways on such machines only: AWS does not know the pair.
func publisherOptions(ctx context.Context, store wirepost.Store) (*wirepost.PublisherOptions, error) {
	o := &wirepost.PublisherOptions{}
	pair, damaged := folder.KeyPair()
	if pair == nil && damaged == nil {
		return o, nil
	}
	stages, err := store.Stages(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(stages, func(r wirepost.StageRecord) bool { return !dev.OnThisMachine(r.URL) }) {
		return o, nil
	}
	if damaged != nil {
		return nil, damaged
	}
	o.Credentials = pair
	return o, nil
}

// blamePair gives an error of a signature the cure for a pair of this folder: the
// library's is about the environment, which was not asked.
func blamePair(err error, signedWith aws.CredentialsProvider) error {
	e, ok := errors.AsType[*wirepost.Error](err)
	if _, pair := signedWith.(*dev.KeyPair); !pair || !ok || e.Problem != wirepost.ProblemSignatureMismatch && e.Problem != wirepost.ProblemCredentialsInvalid {
		return err
	}
	of := *e
	of.FixText = "the pair in " + folder.KeyPairFile() + " is not that of the gateway that answers; start 'wirepost dev' in this folder again, or take the file of the gateway's folder"
	return &of
}

// noPair stands for a key pair that cannot be read.
type noPair struct{ err error }

// Retrieve implements aws.CredentialsProvider.
func (n noPair) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, n.err }
