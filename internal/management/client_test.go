package management

import "testing"

func TestTheDefaultPortOfASchemeIsNotSigned(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.execute-api.eu-west-1.amazonaws.com:443/p": "a.execute-api.eu-west-1.amazonaws.com",
		"http://localhost:80/p":                               "localhost",
		"http://localhost:443/p":                              "localhost:443",
		"http://[::1]:3001/p":                                 "[::1]:3001",
	} {
		c, err := NewClient(Target{URL: url, Region: "eu-west-1"}, NewCredentials(nil), Options{})
		if err != nil || c.signer.host != want {
			t.Errorf("%s signs host %q, %v, want %q", url, c.signer.host, err, want)
		}
	}
}
