package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLongResponse checks that a long response is passed on as it is received,
// and that a truncated response is an error.
func TestLongResponse(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, c := range []struct {
		name string
		sent int // number of bytes of text that are sent
	}{{"complete", len(text)}, {"truncated", len(text) / 2}} {
		t.Run(c.name, func(t *testing.T) {
			const first = 20 << 10
			seen := make(chan bool)
			tr := newHostileServer(t, func(conn net.Conn, br *bufio.Reader) {
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(text))
				conn.Write(text[:first])
				<-seen
				conn.Write(text[first:c.sent])
				conn.(interface{ NetConn() net.Conn }).NetConn().Close() // without close_notify
			}, nil)
			resp, err := tr.RoundTrip(post("<a/>"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got := make([]byte, first)
			if _, err := io.ReadFull(resp.Body, got); err != nil { // the server sends the rest only after close(seen)
				t.Fatal(err)
			}
			close(seen)
			rest, err := io.ReadAll(resp.Body)
			if got = append(got, rest...); !bytes.Equal(got, text[:c.sent]) || (err == nil) != (c.sent == len(text)) {
				t.Errorf("%d bytes of %d, %v", len(got), c.sent, err)
			}
		})
	}
}

// A countingConn counts its writes.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestLongBodyNeedsFewWrites checks that several TLS records are written with
// one call.
func TestLongBodyNeedsFewWrites(t *testing.T) {
	const size = 8 << 20
	var writes atomic.Int64
	tr := newHostileServer(t, func(conn net.Conn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%7d", n)
	}, func(c net.Conn) net.Conn { return countingConn{c, &writes} })
	r := post("")
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(strings.NewReader(strings.Repeat("x", size))), size, nil
	if text, err := roundTrip(tr, r); err != nil || text != fmt.Sprint(size) {
		t.Fatal(text, err)
	}
	if n, most := writes.Load(), int64(size/(60<<10)+10); n > most {
		t.Errorf("%d writes for %d MiB, want %d at most", n, size>>20, most)
	}
}

// TestFillOfLongResponses checks for which responses a Read may return several TLS
// records.
func TestFillOfLongResponses(t *testing.T) {
	tryRead := func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
	for _, c := range []struct {
		length  int64
		tryRead func([]byte) (int, error)
		want    bool
	}{{minFillSize, tryRead, false}, {minFillSize + 1, tryRead, true}, {minFillSize + 1, nil, false}, {-1, tryRead, false}} {
		a := &attempt{msg: &message{request: post("<a/>")}, conn: &conn{tryRead: c.tryRead}}
		a.begin(&http.Response{StatusCode: http.StatusOK, ContentLength: c.length, Body: http.NoBody})
		if a.response.fillReads != c.want {
			t.Errorf("%d bytes, with a call for reading without waiting %v: %v", c.length, c.tryRead != nil, a.response.fillReads)
		}
	}
}

// TestGatheredRecordsKeepTheirOrder checks that records are sent in their order,
// even if another goroutine writes while they are gathered. TLS may do so.
func TestGatheredRecordsKeepTheirOrder(t *testing.T) {
	var out bytes.Buffer
	ours, theirs := net.Pipe()
	done := make(chan bool)
	go func() { io.Copy(&out, theirs); close(done) }()
	w := &wire{Conn: ours}
	var other sync.WaitGroup
	other.Go(func() {
		for range 2000 {
			w.Write([]byte("\x17|other|"))
		}
	})
	buf := make([]byte, 1)
	for i := range 2000 {
		w.gather(buf)
		for j := range 3 {
			fmt.Fprintf(w, "\x17<%d.%d>", i, j)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	other.Wait()
	ours.Close()
	<-done
	text := out.String()
	sent := int64(len(text))
	text = strings.ReplaceAll(text, "\x17", "")
	if n := strings.Count(text, "|other|"); n != 2000 || w.sent.Load() != sent {
		t.Errorf("%d of the other writes arrived, %d bytes of %d were counted", n, w.sent.Load(), len(text))
	}
	rest, next := strings.ReplaceAll(text, "|other|", ""), ""
	for i := range 2000 {
		next = fmt.Sprintf("<%d.0><%d.1><%d.2>", i, i, i)
		if !strings.HasPrefix(rest, next) {
			t.Fatalf("after %d pieces: %.40q", i, rest)
		}
		rest = rest[len(next):]
	}
}

// TestFillDoesNotWait checks that the method "fill" reads without waiting, and
// that it sets the connection back to reads that wait. It also checks that fill
// returns an error of the body.
func TestFillDoesNotWait(t *testing.T) {
	c := &conn{wire: &wire{}, tryRead: func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }}
	b := &responseBody{attempt: &attempt{conn: c}}
	b.body = io.NopCloser(readerFunc(func(p []byte) (int, error) {
		if c.wire.tryRead == nil {
			t.Error("the read waits")
		}
		return 0, os.ErrDeadlineExceeded
	}))
	if n, err := b.fill(make([]byte, 64<<10), 5, nil); n != 5 || err != nil || c.wire.tryRead != nil {
		t.Error(n, err)
	}
	broken := errors.New("broken")
	b.body = io.NopCloser(readerFunc(func(p []byte) (int, error) { return 3, broken }))
	if n, err := b.fill(make([]byte, 64<<10), 5, nil); n != 8 || err != broken {
		t.Error(n, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
