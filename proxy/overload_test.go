package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/proxy"
)

var backOffValue = regexp.MustCompile(`<t:Value Name="BackOffMilliseconds">(\d+)</t:Value>`)

// TestOverloadIsServerBusy checks that further requests get ErrorServerBusy when
// goroutines wait for a processor and minAdmitted requests are in progress.
// Notification streams do not count as requests in progress.
func TestOverloadIsServerBusy(t *testing.T) {
	const running, streams, more = 64, 70, 40
	var reached atomic.Int32
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		text := make([]byte, contentLength(readHead(r)))
		_, _ = io.ReadFull(r, text)
		reached.Add(1)
		if regexp.MustCompile("GetStreamingEvents").Match(text) {
			_, _ = io.WriteString(c, streamHead+"\r\n"+chunked(streamDocument))
		}
		waitForEnd(r)
	}
	overloaded := func(c *proxy.Config) { c.SchedulerDelay = func() time.Duration { return time.Second } }
	withScriptAnd(t, overloaded, open(t), script, func(l *scripted) {
		reached.Store(0)
		for range streams {
			_, in := startStream(l)
			if _, err := http.ReadResponse(in, nil); err != nil {
				t.Errorf("a stream: %v", err)
			}
		}
		body := envelope("alice@contoso.com", getFolder)
		send := func() *bufio.Reader {
			c, in := l.dial()
			fmt.Fprint(c, head(len(body)), string(body))
			synctest.Wait()
			return in
		}
		for range running {
			send()
		}
		backOffs := map[int]bool{}
		for range more {
			status, text := readReply(send())
			m := backOffValue.FindStringSubmatch(text)
			if status != http.StatusInternalServerError || m == nil {
				t.Errorf("got %d %q, want ErrorServerBusy", status, text)
				continue
			}
			n, _ := strconv.Atoi(m[1])
			backOffs[n/1000] = true
			if n < 5000 || n >= 15000 {
				t.Errorf("a back-off of %d ms", n)
			}
		}
		if len(backOffs) < 4 { // backOffs is the set of the different back-offs, in whole seconds
			t.Errorf("the back-offs are not spread: %v", backOffs)
		}
		if n := reached.Load(); n != streams+running {
			t.Errorf("%d requests reached Exchange, want %d", n, streams+running)
		}
		if rec := l.over(more, time.Minute)[0]; rec.Reason != proxy.ReasonProxyBusy {
			t.Errorf("recorded as %q", rec.Reason)
		}
	})
}
