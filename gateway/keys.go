package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
)

// of returns who may sign this request: those of the configuration or else, by
// who can reach the address, the development pair or a generated one.
func (k *keyring) of(e *engine, r *http.Request) []Credentials {
	if k.configured {
		return k.listed
	}
	where := reachOfRequest(r)
	if where == fromThisMachine {
		return []Credentials{DevelopmentCredentials()}
	}
	return k.announce(e, where, localAddress(r))
}

// announce makes the generated pair, where one is needed, and says so once.
func (k *keyring) announce(e *engine, where reach, addr net.Addr) []Credentials {
	if k.configured || where == fromThisMachine {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generated != nil {
		return k.generated
	}
	var raw [30 + 10]byte
	e.fill(raw[:])
	id := sha256.Sum256(raw[30:])
	pair := Credentials{
		AccessKeyID:     fmt.Sprintf("WIREPOST%X", id[:6]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(raw[:30]),
	}
	k.generated = []Credentials{pair}
	e.notice(fmt.Sprintf("management calls must be signed with access key ID %s and secret access key %s: the pair was generated "+
		"because %v can be reached from other machines, and anyone who knows the development key pair could push to every connection",
		pair.AccessKeyID, pair.SecretAccessKey, addr))
	return k.generated
}
