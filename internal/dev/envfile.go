package dev

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wirepost/wirepost/internal/hint"
)

// ReadEnvFile reads NAME=VALUE lines, as most programs read such files: empty lines
// and those that begin with # are left out, an "export " before a name too, and so
// are quotes around a value.
func ReadEnvFile(path string) (Environment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, hint.New(fmt.Errorf("read --env-file: %w", err), "it has one NAME=VALUE a line")
	}
	defer f.Close()
	var e Environment
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
			// The line itself may be a secret.
			return nil, hint.New(fmt.Errorf("read --env-file %s: line %d is not NAME=VALUE", filepath.Base(path), n), "write one NAME=VALUE a line")
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		e = e.Set(name, value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read --env-file %s: %w", filepath.Base(path), err)
	}
	return e, nil
}

// reserved names what a file sets in vain, because Lambda and dev set it to something
// else.
func reserved(e Environment, region string) (names []string) {
	for _, s := range e {
		name, value, _ := strings.Cut(s, "=")
		switch {
		case name == "AWS_REGION" || name == "AWS_DEFAULT_REGION":
			if value == region {
				continue
			}
		case name == "_HANDLER" || name == "LAMBDA_TASK_ROOT" || name == "LAMBDA_RUNTIME_DIR" || strings.HasPrefix(name, "AWS_LAMBDA_"):
		default:
			continue
		}
		names = append(names, name)
	}
	return names
}
