package management

import "testing"

// dev gives its functions a pair of their own when other machines reach its gateway, which
// then takes no other. A key of AWS's signs nothing for this machine.
func TestOnThisMachineAFunctionSignsWithThePairOfItsRun(t *testing.T) {
	for _, c := range []struct {
		name, id string
		loopback bool
		want     string
	}{
		{"the pair of a run", "WP5B2O6OYEZWUXRF3M5Q", true, "WP5B2O6OYEZWUXRF3M5Q"},
		{"the development pair", "wirepost", true, "wirepost"},
		{"a key of AWS's", "AKIAIOSFODNN7EXAMPLE", true, "wirepost"},
		{"nothing", "", true, "wirepost"},
		{"a key of AWS's, for AWS", "AKIAIOSFODNN7EXAMPLE", false, "AKIAIOSFODNN7EXAMPLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", c.id)
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			got, err := NewCredentials(nil).retrieve(t.Context(), c.loopback)
			if err != nil || got.AccessKeyID != c.want {
				t.Errorf("signs with %q (%v), want %q", got.AccessKeyID, err, c.want)
			}
			if secret := map[bool]string{true: "wirepost", false: "secret"}[c.want == "wirepost"]; got.SecretAccessKey != secret {
				t.Errorf("signs with the secret %q, want %q", got.SecretAccessKey, secret)
			}
		})
	}
}

// With its caller's credentials, a function finds the pair of the run under other names.
func TestBesideKeysOfAWSAFunctionSignsWithThePairOfItsRun(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("WIREPOST_ACCESS_KEY_ID", "WP5B2O6OYEZWUXRF3M5Q")
	t.Setenv("WIREPOST_SECRET_ACCESS_KEY", "of the run")
	here, err := NewCredentials(nil).retrieve(t.Context(), true)
	if err != nil || here.AccessKeyID != "WP5B2O6OYEZWUXRF3M5Q" || here.SecretAccessKey != "of the run" {
		t.Errorf("here it signs with %q (%v)", here.AccessKeyID, err)
	}
	there, err := NewCredentials(nil).retrieve(t.Context(), false)
	if err != nil || there.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || there.SecretAccessKey != "secret" {
		t.Errorf("for AWS it signs with %q (%v)", there.AccessKeyID, err)
	}
}
