package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestACallToAHostOfAWSIsSaidOnceForEachFunctionAndHost(t *testing.T) {
	t.Parallel()
	needs(t, "Node.js", exec.Command("node", "--version").Run() == nil)
	dir := filepath.Join(t.TempDir(), "caller")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "index.mjs"), `export const handler = async (event) => {
  const host = event.body;
  console.error('Error: getaddrinfo ENOTFOUND ' + host);
  if (host) throw new Error('request to https://' + host + '/ failed, reason: getaddrinfo EAI_AGAIN ' + host);
  return { statusCode: 200 };
};
`)
	env := filepath.Join(t.TempDir(), "env")
	write(t, env, "API_URL=wss://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod\nOTHER=https://example.com/a1b2c3d4e5\n")
	dev := startDevProcess(t, nil, "--env-file", env, "--handler", "index.handler", "--region", "eu-west-1", dir)
	id := string(dev.await(t, `^wirepost: hint: variable API_URL of --env-file is an address of the API a1b2c3d4e5 on AWS, and the one that runs here is ([a-z0-9]{10}) at http://localhost:\d+/dev: `)[1])
	client := dev.dial(t)
	const bedrock, deployed = "bedrock-runtime.eu-west-1.amazonaws.com", "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	for range 3 {
		for _, host := range []string{bedrock, deployed, "example.com"} {
			ask(t, client, host, `Internal server error`)
		}
	}
	dev.await(t, `^wirepost: hint: function caller called `+bedrock+`, which is AWS and not this machine, and cannot be reached from here$`)
	dev.await(t, `^wirepost: hint: function caller called `+deployed+`, .*; that is the API a1b2c3d4e5, and the one that runs here is `+id+` at http://localhost:\d+/dev: if it is this one on AWS, give --deployed-api a1b2c3d4e5$`)
	if said := dev.output.String(); strings.Count(said, " called ") != 2 || strings.Count(said, "variable API_URL") != 1 {
		t.Errorf("something is said more than once, or of a host that is not AWS:\n%s", said)
	}
}
