package awschain_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
	_ "github.com/wirepost/wirepost/awschain"
	"github.com/wirepost/wirepost/dynamostore"
	"github.com/wirepost/wirepost/internal/awsconfig"
)

// profile leaves in the environment nothing but a profile.
func profile(t *testing.T) {
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restored at the end
			os.Unsetenv(name)
		}
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[profile mine]\nregion = eu-central-1\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_PROFILE", "mine")
}

func TestAProfileIsFound(t *testing.T) {
	profile(t)
	cfg, err := awsconfig.Load(t.Context(), nil)
	if err != nil || cfg.Region != "eu-central-1" {
		t.Fatalf("region %q, %v", cfg.Region, err)
	}
	if c, err := cfg.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "AKIDPROFILE" {
		t.Errorf("%q, %v", c.AccessKeyID, err)
	}
	if cfg, err := awsconfig.Load(t.Context(), &awsconfig.Options{Region: "us-west-2"}); err != nil || cfg.Region != "us-west-2" {
		t.Errorf("the caller's region lost: %q, %v", cfg.Region, err)
	}
}

// The bundle of a profile is the one that requests are checked with.
func TestAnAuthorityOfTheProfileIsTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }))
	t.Cleanup(server.Close)
	profile(t)
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	config, err := os.OpenFile(os.Getenv("AWS_CONFIG_FILE"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = config.WriteString("ca_bundle = " + bundle + "\n")
	}
	if err = errors.Join(err, config.Close(), os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := dynamostore.Open(t.Context(), &dynamostore.Options{Table: "connections", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Connection(t.Context(), "c1"); !errors.Is(err, wirepost.ErrNotFound) {
		t.Error(err)
	}
}

func TestAStoreHasTheRegionOfTheProfile(t *testing.T) {
	profile(t)
	s, err := wirepost.OpenStore(t.Context(), "dynamodb://connections")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if url := s.(*dynamostore.Store).URL(); url != "dynamodb://connections?region=eu-central-1" {
		t.Error(url)
	}
}
