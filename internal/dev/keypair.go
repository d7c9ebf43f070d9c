package dev

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/wirepost/wirepost/internal/atomicfile"
	"github.com/wirepost/wirepost/internal/hint"
)

// KeyPair is what signs when a dev listens on an address that others can reach.
type KeyPair struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`

	file string // where it was read
}

// KeyPairFile is where the folder's key pair is, if the last dev made one.
func (f Folder) KeyPairFile() string { return f.file("credentials.json") }

// newKeyPair makes a pair and keeps it where send, list and kick find it.
func (f Folder) newKeyPair() (*KeyPair, error) {
	pair := &KeyPair{AccessKeyID: "WP" + rand.Text()[:18], SecretAccessKey: rand.Text() + rand.Text(), file: f.KeyPairFile()}
	b, err := json.Marshal(pair)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(f.KeyPairFile(), b, 0o600); err != nil {
		return nil, fmt.Errorf("keep the key pair: %w", err)
	}
	return pair, nil
}

// KeyPair is nil unless the last dev made a pair.
func (f Folder) KeyPair() (*KeyPair, error) {
	b, err := atomicfile.Read(f.KeyPairFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	pair := KeyPair{file: f.KeyPairFile()}
	if err == nil {
		if err = json.Unmarshal(b, &pair); err == nil && (pair.AccessKeyID == "" || pair.SecretAccessKey == "") {
			err = errors.New("it has no key pair")
		}
	}
	if err != nil {
		return nil, hint.New(fmt.Errorf("read %s: %w", f.KeyPairFile(), err), "start 'wirepost dev' in this folder again, which makes a new pair or needs none")
	}
	return &pair, nil
}

// Retrieve implements aws.CredentialsProvider for a loopback endpoint.
func (k *KeyPair) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, Source: k.file}, nil
}
