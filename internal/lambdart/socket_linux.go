package lambdart

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// socketAt finds the socket of a connection, as its own end sees it: the inode by which
// /proc knows it, and whose it is. An end that nobody has any more is not found.
func socketAt(local, remote netip.AddrPort) (inode uint64, uid int, found bool) {
	inode, uid, err := askKernel(local, remote)
	if err != nil { // not every kernel answers, and none in some sandboxes
		inode, uid, err = readTable(local, remote)
	}
	return inode, uid, err == nil && inode != 0
}

// The request for one socket and its answer (sock_diag(7), linux/inet_diag.h).
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	diagRequestBytes = syscall.NLMSG_HDRLEN + 56
	diagUID          = 64 // offset in the answer
	diagInode        = 68
	diagBytes        = 72
)

var errNoSocket = errors.New("the kernel knows no such socket")

// askKernel asks for one socket, which takes microseconds. The table in /proc is made of
// all there are, and takes milliseconds.
func askKernel(local, remote netip.AddrPort) (inode uint64, uid int, err error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return 0, 0, err
	}
	defer syscall.Close(fd)
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1}); err != nil {
		return 0, 0, err
	}
	if err := syscall.Sendto(fd, diagRequest(local, remote), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, 0, err
	}
	buffer := make([]byte, 4<<10)
	n, _, err := syscall.Recvfrom(fd, buffer, 0)
	if err != nil {
		return 0, 0, err
	}
	messages, err := syscall.ParseNetlinkMessage(buffer[:n])
	if err != nil || len(messages) == 0 || messages[0].Header.Type != sockDiagByFamily || len(messages[0].Data) < diagBytes {
		return 0, 0, errNoSocket
	}
	data := messages[0].Data
	return uint64(binary.NativeEndian.Uint32(data[diagInode:])), int(binary.NativeEndian.Uint32(data[diagUID:])), nil
}

func diagRequest(local, remote netip.AddrPort) []byte {
	family, from, to := byte(syscall.AF_INET), local.Addr().Unmap(), remote.Addr().Unmap()
	if !from.Is4() {
		family = syscall.AF_INET6
	}
	b := make([]byte, 0, diagRequestBytes)
	b = binary.NativeEndian.AppendUint32(b, diagRequestBytes)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, syscall.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port of the request
	b = append(b, family, syscall.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, 1<<32-1) // in whichever state
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	for _, a := range []netip.Addr{from, to} {
		room := make([]byte, 16)
		copy(room, a.AsSlice())
		b = append(b, room...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0) // on any interface
	return append(b, bytes.Repeat([]byte{0xff}, 8)...)
}

// readTable looks through /proc/net/tcp and /proc/net/tcp6 (proc(5)). A line is
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
func readTable(local, remote netip.AddrPort) (inode uint64, uid int, err error) {
	for file, inV6 := range map[string]bool{"/proc/self/net/tcp": false, "/proc/self/net/tcp6": true} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		defer f.Close()
		l, r := inTable(local, inV6), inTable(remote, inV6)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if !bytes.Contains(lines.Bytes(), []byte(l)) {
				continue
			}
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[1] != l || fields[2] != r {
				continue
			}
			if uid, err = strconv.Atoi(fields[7]); err != nil {
				return 0, 0, err
			}
			inode, err = strconv.ParseUint(fields[9], 10, 64)
			return inode, uid, err
		}
	}
	return 0, 0, errNoSocket
}

// inTable is an address as the table has it: words of four bytes in the byte order of the
// machine.
func inTable(a netip.AddrPort, inV6 bool) string {
	ip := a.Addr().Unmap()
	if inV6 {
		ip = netip.AddrFrom16(ip.As16())
	}
	var text strings.Builder
	for word := range slices.Chunk(ip.AsSlice(), 4) {
		fmt.Fprintf(&text, "%08X", binary.NativeEndian.Uint32(word))
	}
	return fmt.Sprintf("%s:%04X", text.String(), a.Port())
}
