package dev

import (
	"testing"
)

func TestWhatAClientSaysOfACallToAWS(t *testing.T) {
	for line, want := range map[string]string{
		"Error: getaddrinfo ENOTFOUND s3.eu-west-1.amazonaws.com":                                                            "hint: function f called s3.eu-west-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here",
		"    hostname: 'SQS.eu-west-1.amazonaws.com' code: 'EAI_AGAIN'":                                                      "hint: function f called sqs.eu-west-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here",
		`EndpointConnectionError: Could not connect to the endpoint URL: "https://bedrock-runtime.us-east-1.amazonaws.com/"`: "hint: function f called bedrock-runtime.us-east-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here",
		"dial tcp: lookup 111122223333.ddb.us-east-1.amazonaws.com on 127.0.0.53:53: no such host":                           "hint: function f called 111122223333.ddb.us-east-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here",
		"Failed to resolve 'cognito-idp.cn-north-1.amazonaws.com.cn' ([Errno -2] Name or service not known)":                 "hint: function f called cognito-idp.cn-north-1.amazonaws.com.cn, which is AWS and not this machine, and cannot be reached from here",
		"https://sqs.us-east-1.api.aws answered 403 InvalidClientTokenId":                                                    "hint: function f called sqs.us-east-1.api.aws, which is AWS and not this machine, and refused the development pair of keys",
		"getaddrinfo ENOTFOUND qwertyuiop.execute-api.eu-west-1.amazonaws.com":                                               "hint: function f called qwertyuiop.execute-api.eu-west-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here; that is the API qwertyuiop, and the one that runs here is abcdefghij at http://localhost:",
		"uploading to s3.eu-west-1.amazonaws.com":                                                                            "",
		"getaddrinfo ENOTFOUND example.com":                                                                                  "",
		"getaddrinfo ENOTFOUND amazonaws.com.example.com":                                                                    "",
		"getaddrinfo ENOTFOUND s3.amazonaws.com.example.com":                                                                 "",
		"InvalidSignatureException: Credential should be scoped to a valid region":                                           "",
		"getaddrinfo ENOTFOUND abcdefghij.execute-api.eu-west-1.amazonaws.com":                                               "hint: function f called abcdefghij.execute-api.eu-west-1.amazonaws.com, which is AWS and not this machine, and cannot be reached from here",
	} {
		for _, inherit := range []bool{false, true} {
			said := &reported{}
			calls := awsCalls{c: &Config{Report: said, Inherit: inherit, Listen: "127.0.0.1:0", Stage: "dev"}, api: &apiID{id: "abcdefghij"}}
			calls.listener = &listener{c: calls.c}
			var err error
			if calls.listener.Listener, err = listen(t.Context(), "127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				calls.failed(t.Context(), "f", line)
			}
			calls.listener.Close()
			got := said.String()
			if want == "" || inherit {
				if got != "" {
					t.Errorf("%s (inherited: %v): %s", line, inherit, got)
				}
			} else if len(said.lines) != 1 || got != want && !(len(got) > len(want) && got[:len(want)] == want) {
				t.Errorf("%s:\n%s\nwant\n%s", line, got, want)
			}
		}
	}
}
