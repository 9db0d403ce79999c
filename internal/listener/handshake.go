package listener

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/logging"
)

// Limits for the log lines about failed TLS handshakes: handshakeBurst lines
// per peer, then one per handshakeInterval. At most handshakePeers peers are
// counted separately, all others together.
const (
	handshakeBurst    = 3
	handshakeInterval = time.Minute
	handshakePeers    = 256
)

// A handshakeLog limits the log lines about clients that fail to make a TLS
// connection, such as those with an old TLS stack. Only the log explains the
// failure, because such a client gets no response. A handshakeLog is safe for
// concurrent use.
type handshakeLog struct {
	mu     sync.Mutex
	peers  map[string]*logging.Thinning // by host
	others *logging.Thinning            // counts the lines of peers beyond the map's limit
}

func newHandshakeLog() *handshakeLog {
	return &handshakeLog{peers: make(map[string]*logging.Thinning), others: logging.NewThinning(handshakeBurst, handshakeInterval)}
}

// The method "of" returns the Thinning for log lines about the host of peer. All
// hosts share one Thinning for which the map has no room (see handshakePeers).
func (h *handshakeLog) of(peer net.Addr) *logging.Thinning {
	host, _, err := net.SplitHostPort(peer.String())
	if err != nil {
		host = peer.String()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.peers[host]; t != nil {
		return t
	}
	if len(h.peers) >= handshakePeers {
		return h.others
	}
	t := logging.NewThinning(handshakeBurst, handshakeInterval)
	h.peers[host] = t
	return t
}

// logHandshake logs why the TLS handshake of a closed connection failed. It logs
// nothing if the handshake succeeded, if hmaproxy closed the connection, or if
// the connection was only a probe of the port. It must be called after the
// handshake has ended.
func (l *limited) logHandshake(c *tls.Conn) {
	state := c.ConnectionState()
	if state.HandshakeComplete {
		return
	}
	err := c.Handshake() // returns the result of the handshake, which has ended
	if err == nil || errors.Is(err, net.ErrClosed) || state.Version == 0 && isNetworkError(err) {
		return
	}
	omit, omitted := l.handshakes.of(c.RemoteAddr()).Count()
	if omit {
		return
	}
	l.config.Log.Warn("TLS handshake with a client failed", "remote", c.RemoteAddr().String(), "listen", l.Addr().String(),
		"error", err.Error(), "remedy", handshakeRemedy(err), "omitted", omitted)
}

// isNetworkError reports whether the client closed the connection, sent nothing
// or sent a TLS alert. If that happens before a ClientHello, the connection was
// a probe of the port.
func isNetworkError(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.As(err, &network)
}

// handshakeRemedy returns what to do about a client's failed handshake. It
// compares texts because crypto/tls has no types for most of these errors.
func handshakeRemedy(err error) string {
	text := err.Error()
	var record tls.RecordHeaderError
	if errors.As(err, &record) && !strings.Contains(text, "SSLv2") {
		return "the client does not speak TLS on this port: give it an https URL, or use a listener without HMA_TLS_CERT_FILE"
	}
	for _, r := range [...]struct{ part, remedy string }{
		{"SSLv2", "the client begins with a hello of SSL 2.0: switch that off in it (SSLv2Hello in Java), or use a listener without TLS"},
		{"unsupported versions", "the client speaks TLS 1.1 at most: enable TLS 1.2 in it, or use a listener without TLS"},
		{"protocol version", "the client speaks no TLS version of this listener, 1.2 and 1.3: enable TLS 1.2 in it, or use a listener without TLS"},
		{"no cipher suite", "the client offers no cipher suite with forward secrecy (ECDHE) for the listener's certificate: enable one in it, or use a listener without TLS"},
		{"remote error: tls: unknown certificate", "the client does not trust the certificate of HMA_TLS_CERT_FILE: install its authority there"},
		{"remote error: tls: bad certificate", "the client does not accept the certificate of HMA_TLS_CERT_FILE: compare its names and dates with the client's URL, and install its authority there"},
		{"remote error: tls: certificate expired", "renew the certificate of HMA_TLS_CERT_FILE"},
		{"application protocol", "the client insists on HTTP/2: have it use HTTP/1.1"},
	} {
		if strings.Contains(text, r.part) {
			return r.remedy
		}
	}
	if isNetworkError(err) && !strings.Contains(text, "remote error") {
		return "the client ended the handshake without a reason: look for its own error; often it does not trust the certificate of HMA_TLS_CERT_FILE"
	}
	return "compare the TLS versions and cipher suites of the client with TLS 1.2 and 1.3, or use a listener without TLS"
}
