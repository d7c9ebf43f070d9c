package lambdart

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
)

// Both ways of asking have to say the same, on both families.
func TestTheKernelAndItsTableNameTheSameSocket(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip("skipped: ", err)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		here, there := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		inode, uid, err := readTable(here, there)
		if err != nil || uid != os.Geteuid() || !holds(os.Getpid(), fmt.Sprintf("socket:[%d]", inode)) {
			t.Errorf("%s: the table has %d of %d, %v", address, inode, uid, err)
		}
		if asked, askedUID, err := askKernel(here, there); err != nil || asked != inode || askedUID != uid {
			t.Errorf("%s: the kernel says %d of %d, %v; the table %d of %d", address, asked, askedUID, err, inode, uid)
		}
		c.Close()
		if inode, _, found := socketAt(here, there); found {
			t.Errorf("%s: a socket that is closed is found: %d", address, inode)
		}
	}
	if inode, _, found := socketAt(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")); found {
		t.Errorf("a socket that never was is found: %d", inode)
	}
}
