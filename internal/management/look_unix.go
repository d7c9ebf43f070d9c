//go:build unix

package management

import "syscall"

// looks says that a connection can be asked for what has come without waiting for it.
const looks = true

// readNow reads what is there, once.
func readNow(fd uintptr, p []byte) (n int, nothing bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			break
		}
	}
	nothing = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	return max(n, 0), nothing, err
}
