package lambdart

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// peerOf finds the process at the other end of a connection on this machine, in /proc
// (proc(5)). It is the function's own if it is the child or what that has started, or
// was given the address of the API in its environment; and so is this process. Any other
// is a stranger. Whose the process is that cannot be looked into is not known, but one of
// another user is a stranger too, unless that is root, who may do everything anyway.
func peerOf(here, there netip.AddrPort, child int, api string) peer {
	inode, uid, found := socketAt(there, here)
	if !found {
		return peer{}
	}
	owners := ownersOf(inode, child)
	if len(owners) == 0 {
		if uid == 0 || uid == os.Geteuid() || child != 0 && uid == userOf(child) {
			return peer{}
		}
		return peer{stranger: true, who: fmt.Sprintf("a process of the user %d", uid)}
	}
	for _, pid := range owners { // a socket may be inherited
		if pid == os.Getpid() || pid == child || wasGiven(pid, api) || descends(pid, child) {
			return peer{own: true}
		}
	}
	name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(owners[0]), "comm"))
	return peer{stranger: true, who: fmt.Sprintf("process %d (%q)", owners[0], bytes.TrimSpace(name))}
}

// ownersOf are the processes that have a socket. The child and this process come first,
// then what is younger than the child, because it may have started it: one of these that
// has the socket is enough.
func ownersOf(inode uint64, child int) (pids []int) {
	link := fmt.Sprintf("socket:[%d]", inode)
	for _, pid := range []int{child, os.Getpid()} {
		if pid != 0 && holds(pid, link) {
			return []int{pid}
		}
	}
	all, _ := os.ReadDir("/proc")
	var young, old []int
	for _, e := range all {
		switch pid, err := strconv.Atoi(e.Name()); {
		case err != nil:
		case child != 0 && pid >= child:
			young = append(young, pid)
		default:
			old = append(old, pid)
		}
	}
	slices.Sort(young)
	for _, pid := range young {
		if holds(pid, link) && descends(pid, child) {
			return []int{pid}
		}
	}
	for _, pid := range append(old, young...) {
		if holds(pid, link) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func holds(pid int, link string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	all, _ := os.ReadDir(dir)
	return slices.ContainsFunc(all, func(e os.DirEntry) bool {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		return err == nil && to == link
	})
}

// wasGiven reports whether a process was started with the address of an API.
func wasGiven(pid int, api string) bool {
	environ, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	return slices.Contains(strings.Split(string(environ), "\x00"), apiVariable+"="+api)
}

// descends reports whether a process was started by another, over any number of others.
func descends(pid, from int) bool {
	for n := 0; from != 0 && pid > 1 && n < 100; n++ {
		if pid == from {
			return true
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		// pid (comm) state ppid …: the name may have anything in it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if err != nil || len(fields) < 2 {
			return false
		}
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			return false
		}
	}
	return false
}

// userOf is the user of a process, -1 if it is not known.
func userOf(pid int) int {
	status, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if fields := strings.Fields(ids); len(fields) > 1 {
				if uid, err := strconv.Atoi(fields[1]); err == nil { // the effective one
					return uid
				}
			}
		}
	}
	return -1
}
