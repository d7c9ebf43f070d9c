package eventsource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/wirepost/wirepost/internal/atomicfile"
)

// positions are how far a stream was read, in a file that is whole at any time.
type positions struct {
	path string

	mu   sync.Mutex
	kept kept
}

type kept struct {
	Stream string                   `json:"stream"` // its ARN at the server
	Shards map[string]shardPosition `json:"shards"`
}

// shardPosition is how far a shard was read. The zero value is its beginning.
type shardPosition struct {
	After string `json:"after,omitempty"` // a sequence number
	Ended bool   `json:"ended,omitempty"`
}

var notInFileName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// positionFile is the file of a source in a folder. Names that differ only in what a
// file's name cannot have, or not in any way on some systems, have files of their own.
func positionFile(folder, name string) string {
	sum := sha256.Sum256([]byte(name))
	readable := notInFileName.ReplaceAllString(name, "-")
	return filepath.Join(folder, readable[:min(len(readable), 60)]+"-"+hex.EncodeToString(sum[:4])+".json")
}

// loadPositions reads the position in a stream. It is new if nothing was kept of this
// stream; the error says of a file that it cannot be read, and the position is new then,
// too.
func loadPositions(folder, name, stream string) (p *positions, isNew bool, err error) {
	p = &positions{path: positionFile(folder, name), kept: kept{stream, map[string]shardPosition{}}}
	b, err := atomicfile.Read(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, true, nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return p, true, fmt.Errorf("read the position in %s: %w", p.path, err)
	}
	if k.Stream != stream || k.Shards == nil {
		return p, true, nil
	}
	p.kept = k
	return p, false, nil
}

func (p *positions) of(shard string) (at shardPosition, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known = p.kept.Shards[shard]
	return at, known
}

// set keeps the position in a shard.
func (p *positions) set(shard string, at shardPosition) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept.Shards[shard] = at
	return p.write()
}

// prune forgets shards that the stream does not have any more.
func (p *positions) prune(has map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.kept.Shards {
		if !has[id] {
			delete(p.kept.Shards, id) // written with the next position
		}
	}
}

func (p *positions) save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.write()
}

func (p *positions) write() error {
	b, err := json.Marshal(p.kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(p.path, b, 0o600)
}
