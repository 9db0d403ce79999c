package proxy_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// unavailable responds like Exchange's web server when EWS is missing.
func unavailable(_ int, conn net.Conn, r *bufio.Reader) {
	for {
		h := readHead(r)
		if h == "" {
			return
		}
		readBodyOf(r, contentLength(h))
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
	}
}

// TestRepeatedBusyResponsesAreDelayed checks the delay, of up to two seconds, of
// responses to a client that repeats a failing request without a pause. A client
// that observes the back-off time is not delayed.
func TestRepeatedBusyResponsesAreDelayed(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), unavailable, func(l *scripted) {
		conn, r := l.dial()
		body := envelope("alice@contoso.com", getFolder)
		ask := func() time.Duration {
			began := time.Now()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, time.Minute)
			if status, _ := readReply(r); status != 500 {
				t.Fatalf("status %d", status)
			}
			return time.Since(began) // duration in simulated time
		}
		for i, want := range []time.Duration{0, 250, 500, 1000, 2000, 2000} {
			if got := ask(); got != want*time.Millisecond {
				t.Errorf("response %d came after %v, want %d ms", i, got, want)
			}
		}
		for range 3 {
			time.Sleep(10 * time.Second)
			if got := ask(); got != 0 {
				t.Errorf("the response to a client that observes the back-off time came after %v", got)
			}
		}
		if rec := l.over(9, time.Minute)[8]; rec.Reason != proxy.ReasonUpstreamNotEWS {
			t.Errorf("reason %q", rec.Reason)
		}
	})
}

func TestClientThatLeavesEndsTheDelay(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), unavailable, func(l *scripted) {
		body := envelope("alice@contoso.com", getFolder)
		for range 8 {
			conn, r := l.dial()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, time.Minute)
			readReply(r)
			conn.Close()
		}
		conn, _ := l.dial()
		began := time.Now()
		_, _ = conn.Write(append([]byte(head(len(body))), body...))
		time.Sleep(100 * time.Millisecond)
		conn.Close()
		l.over(9, time.Second)
		if d := time.Since(began); d > time.Second { // simulated time
			t.Errorf("the request was over after %v", d)
		}
	})
}
