package awschain_test

import (
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
