package dev

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/atomicfile"
)

// tablesFile says where the tables of the running dev are.
func (f Folder) tablesFile() string { return f.file("dynamodb-url") }

// TablesURL is where the tables of the dev that runs in the folder are, such as
// http://127.0.0.1:4100; empty if none runs, or it has none. A dev that was killed does
// not answer there.
func (f Folder) TablesURL() string {
	kept, err := atomicfile.Read(f.tablesFile())
	if err != nil {
		return ""
	}
	at := strings.TrimSpace(string(kept))
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" {
		return ""
	}
	// The file may have come with somebody else's project.
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return ""
	}
	conn, err := net.DialTimeout("tcp", u.Host, time.Second)
	if err != nil {
		return ""
	}
	conn.Close()
	return "http://" + u.Host
}

// keepTablesURL keeps it until forgetTablesURL.
func (f Folder) keepTablesURL(at string) error {
	if err := atomicfile.Write(f.tablesFile(), []byte(at+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the address of the tables for other commands: %w", err)
	}
	return nil
}

func (f Folder) forgetTablesURL() error {
	if err := os.Remove(f.tablesFile()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("forget the address of the tables: %w", err)
	}
	return nil
}
