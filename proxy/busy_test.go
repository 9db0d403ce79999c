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
func unavailable(_ int, conn net.Conn, r *bufio.Reader) { unavailableAfter(0, conn, r) }

// unavailableAfter is unavailable with a wait before each response.
func unavailableAfter(wait time.Duration, conn net.Conn, r *bufio.Reader) {
	for {
		h := readHead(r)
		if h == "" {
			return
		}
		readBodyOf(r, contentLength(h))
		time.Sleep(wait)
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

// TestDelaysOfOneHostDiffer checks that the clients of one host do not all get their
// delayed responses at the same time, and that a delay stays between 1.5 and 2 s.
func TestDelaysOfOneHostDiffer(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), unavailable, func(l *scripted) {
		body := envelope("alice@contoso.com", getFolder)
		ask := func() time.Duration {
			conn, r := l.dial()
			defer conn.Close()
			began := time.Now()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, time.Minute)
			readReply(r)
			return time.Since(began) // duration in simulated time
		}
		for range 5 { // until the delay is the longest one
			ask()
		}
		const clients = 40
		took := make(chan time.Duration, clients)
		for range clients {
			go func() { took <- ask() }()
		}
		times := map[time.Duration]bool{}
		for range clients {
			d := <-took
			if d <= 1500*time.Millisecond || d > 2*time.Second {
				t.Errorf("a response after %v", d)
			}
			times[d.Truncate(50*time.Millisecond)] = true
		}
		if len(times) < 5 {
			t.Errorf("the responses came after %v", times)
		}
	})
}

// TestClientThatLeavesEndsTheDelay checks that the delay ends when a client leaves.
// Exchange takes so long that the server watches the connection before the delay
// begins.
func TestClientThatLeavesEndsTheDelay(t *testing.T) {
	const wait = 4 * time.Second
	slow := func(_ int, conn net.Conn, r *bufio.Reader) { unavailableAfter(wait, conn, r) }
	withScript(t, only(t, "alice@contoso.com"), slow, func(l *scripted) {
		body := envelope("alice@contoso.com", getFolder)
		for range 8 {
			conn, r := l.dial()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, time.Minute)
			readReply(r)
			conn.Close()
		}
		conn, _ := l.dial()
		_, _ = conn.Write(append([]byte(head(len(body))), body...))
		time.Sleep(wait + 100*time.Millisecond) // simulated time; the delay has begun and lasts for at least 1.5 s
		conn.Close()
		l.over(9, 200*time.Millisecond)
	})
}
