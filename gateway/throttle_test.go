package gateway

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestABucketHasItsBurstAndItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := func(b *bucket) (n int) {
			for n < 100_000 && b.take() {
				n++
			}
			return n
		}
		for _, test := range []struct{ rate, burst, first, second int }{
			{500, 500, 500, 500}, {10_000, 5_000, 5_000, 5_000}, {10, 100, 100, 10}, {2, 1, 1, 1}, {3, -1, 3, 3}, {-1, 5, 100_000, 100_000},
		} {
			b := newBucket(test.rate, test.burst)
			first := taken(b)
			time.Sleep(time.Second)
			if second := taken(b); first != test.first || second != test.second {
				t.Errorf("%d/s with a burst of %d: %d, after a second %d", test.rate, test.burst, first, second)
			}
			time.Sleep(time.Hour)
			if again := taken(b); again != max(test.first, 0) {
				t.Errorf("%d/s with a burst of %d: %d after an hour", test.rate, test.burst, again)
			}
		}
	})
}

func TestABucketIsSharedSafely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(1000, 1000)
		var all sync.WaitGroup
		var taken atomic.Int64
		for range 8 {
			all.Go(func() {
				for range 1000 {
					if b.take() {
						taken.Add(1)
					}
				}
			})
		}
		all.Wait()
		if taken.Load() != 1000 {
			t.Errorf("%d of 1000", taken.Load())
		}
	})
}

func TestOverTheConnectRateAHandshakeIsRefused(t *testing.T) {
	inFakeTime(t, &Server{ConnectRate: 2}, func(t *testing.T, p *pipes, f *recorder) {
		for range 2 {
			nc, _ := p.dial(t)
			f.next(t, "CONNECT")
			defer nc.Close()
		}
		if status, answer := p.handshake(t); status != 429 || !strings.Contains(answer, "X-Amzn-Errortype: TooManyRequestsException") {
			t.Errorf("%d %s", status, answer)
		}
		time.Sleep(500 * time.Millisecond)
		nc, _ := p.dial(t)
		defer nc.Close()
		f.next(t, "CONNECT")
		if status, _ := p.handshake(t); status != 429 {
			t.Errorf("the one after it: %d", status)
		}
	})
}

func TestMessagesAndManagementCallsShareOneBucket(t *testing.T) {
	f := newRecorder()
	host := serve(t, &Server{Function: f, RequestRate: 1, RequestBurst: 4})
	c := dial(t, host, nil)
	id := f.next(t, "CONNECT").RequestContext.ConnectionID
	write(t, c, "1")
	f.next(t, "MESSAGE")
	mustManage(t, "POST", host, pathOf(id), "2")
	read(t, c)
	// An unsigned call counts too: the bucket is before the signature.
	if a := httpRaw(t, host, "GET "+pathOf(id)+" HTTP/1.1\r\nHost: x\r\n\r\n"); a.status != 403 {
		t.Errorf("%+v", a)
	}
	var limited answerOf
	for range 3 {
		if limited = mustManage(t, "POST", host, pathOf(id), strings.Repeat("x", 1000)); limited.status == 429 {
			break
		}
		read(t, c)
	}
	if limited.status != 429 || limited.header.Get("x-amzn-errortype") != "TooManyRequestsException" || limited.body != `{"message":"Too Many Requests"}` {
		t.Errorf("%+v", limited)
	}
	for range 20 { // the bucket may have gained one or two meanwhile
		write(t, c, "over")
	}
	if got := read(t, c); !strings.HasPrefix(got, `{"message": "Too Many Requests", "connectionId":"`+id) {
		t.Errorf("message = %s", got)
	}
}

func TestTheDefaultRatesAreAWSs(t *testing.T) {
	e := engineOf(t, &Server{Function: newRecorder()})
	if e.connects.rate != 500 || e.connects.burst != 500 || e.requests.rate != 10_000 || e.requests.burst != 5_000 {
		t.Errorf("%v %v %v %v", e.connects.rate, e.connects.burst, e.requests.rate, e.requests.burst)
	}
	none := engineOf(t, &Server{Function: newRecorder(), ConnectRate: -1, RequestRate: -1})
	if none.connects != nil || none.requests != nil {
		t.Error("a negative rate is a bound")
	}
}
