//go:build linux

package gateway

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readersVariable makes the test binary a process of clients: its value is an
// address and a number of connections to count on, or an address, a frame in
// hexadecimal and the size of its answer to measure round trips with. Clients have a process
// of their own, because sockets on both sides would need twice the open files
// and clients would be measured with the server.
const readersVariable = "WIREPOST_GATEWAY_READERS"

// runReaderProcess connects, prints "ready", and then answers each number on
// standard input with the same number once that many bytes have been read on
// each connection since the last one. It ends with standard input.
func runReaderProcess() bool {
	words := strings.Fields(os.Getenv(readersVariable))
	var err error
	switch len(words) {
	case 0:
		return false
	case 2:
		var n int
		if n, err = strconv.Atoi(words[1]); err == nil {
			err = readAll(words[0], n, os.Stdin, os.Stdout)
		}
	case 3:
		err = roundTrips(words[0], words[1], words[2], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "readers:", err)
		os.Exit(1)
	}
	return true
}

func readAll(address string, n int, orders io.Reader, reports io.Writer) error {
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	keep := make([]*os.File, 0, n) // else a finalizer closes the sockets
	for range n {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		if err := rawHandshake(nc, "dev"); err != nil {
			return err
		}
		file, err := nc.(*net.TCPConn).File()
		nc.Close()
		if err != nil {
			return err
		}
		keep = append(keep, file)
		fd := int(file.Fd())
		syscall.SetNonblock(fd, true)
		if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	fmt.Fprintln(reports, "ready")
	events := make([]syscall.EpollEvent, 1024)
	buffer := make([]byte, 64<<10)
	total := 0
	lines := bufio.NewScanner(orders)
	for lines.Scan() {
		each, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		for total < each*n {
			count, err := syscall.EpollWait(poll, events, -1)
			if err == syscall.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			for _, e := range events[:count] {
				size, err := syscall.Read(int(e.Fd), buffer)
				if err != nil && err != syscall.EAGAIN || err == nil && size == 0 {
					return fmt.Errorf("read: %d, %v", size, err)
				}
				total += max(size, 0)
			}
		}
		total -= each * n
		fmt.Fprintln(reports, each)
	}
	_ = keep
	return nil
}

// readers is a reader process.
type readers struct {
	orders  io.WriteCloser
	reports *bufio.Scanner
}

// startReaders connects n clients in a process that ends with the test.
func startReaders(t testing.TB, host string, n int) *readers {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(n)+100 {
		t.Skipf("SKIPPED: %d connections need as many open files and the limit is %d (ulimit -n)", n, limit.Cur)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable)
	command.Env = append(os.Environ(), readersVariable+"="+host+" "+strconv.Itoa(n), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	orders, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reports, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		orders.Close()
		command.Wait()
	})
	r := &readers{orders, bufio.NewScanner(reports)}
	r.report(t, "ready")
	return r
}

// expect asks for a report when each connection has read that many bytes.
func (r *readers) expect(t testing.TB, bytes int) {
	if _, err := fmt.Fprintln(r.orders, bytes); err != nil {
		t.Fatal(err)
	}
}

func (r *readers) report(t testing.TB, want string) {
	t.Helper()
	if !r.reports.Scan() || r.reports.Text() != want {
		t.Fatalf("reader process said %q, want %q", r.reports.Text(), want)
	}
}

// roundTrips prints the median of many round trips, one after another, in
// nanoseconds.
func roundTrips(address, frame, size string, report io.Writer) error {
	out, err := hex.DecodeString(frame)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := rawHandshake(nc, "dev"); err != nil {
		return err
	}
	took := make([]time.Duration, 3000)
	in := make([]byte, n)
	for i := range took {
		start := time.Now()
		if _, err := nc.Write(out); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, in); err != nil {
			return err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	_, err = fmt.Fprintln(report, int64(took[len(took)/2]))
	return err
}

// medianInProcess is roundTrips in a process of its own.
func medianInProcess(t testing.TB, host string, frame []byte, size int) time.Duration {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable)
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %x %d", readersVariable, host, frame, size), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	median, err := strconv.ParseInt(strings.TrimSpace(string(output)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(median)
}
