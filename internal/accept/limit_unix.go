//go:build unix

package accept

import "syscall"

// descriptorLimit is how many file descriptors this process may have, 0 if it is not
// known.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(limit.Cur)
}
