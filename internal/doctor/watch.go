package doctor

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/httpclient"
)

// A watch is the client for Entra ID and Key Vault that the product would use.
// It keeps the access token that the product's own code obtained for the vault,
// to ask the vault one question more with it.
type watch struct {
	client *http.Client

	mu     sync.Mutex
	bearer map[string]string // by host
	clock  map[string]clock  // by host, of the newest answer
}

// A clock is what a server's Date header said and when it came.
type clock struct {
	date, received time.Time
}

// skew is the local clock minus the server's, which counts whole seconds.
func (c clock) skew() time.Duration { return c.received.Sub(c.date).Truncate(time.Second) }

func newWatch(clients *httpclient.Clients) *watch {
	w := &watch{client: clients.Control(), bearer: map[string]string{}, clock: map[string]clock{}}
	w.client.Transport = watched{w, w.client.Transport}
	return w
}

type watched struct {
	*watch
	next http.RoundTripper
}

func (t watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent {
		t.bearer[r.URL.Host] = token
	}
	if c, ok := readClock(resp.Header); ok {
		t.clock[r.URL.Host] = c
	}
	return resp, nil
}

// CloseIdleConnections lets http.Client reach through.
func (t watched) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// bearerFor returns the token that was sent to a host, "" for none.
func (w *watch) bearerFor(host string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bearer[host]
}

// clockOf returns the clock of a host's newest answer.
func (w *watch) clockOf(host string) (clock, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.clock[host]
	return c, ok
}

func readClock(h http.Header) (clock, bool) {
	date, err := http.ParseTime(h.Get("Date"))
	return clock{date, time.Now().Round(0)}, err == nil
}
