package listener

import (
	"errors"
	"net"
	"sync"
	"time"

	"hmaproxy/internal/logging"
)

// Bounds on the connections that clients may hold open at once.
const (
	maxConnections  = 16 << 10 // three times the 5,000 notification streams of a large installation
	minConnections  = 64       // however few files the process may open, and however little memory
	reservedFiles   = 512      // files other than connections of clients and their connections to Exchange
	filesPerRequest = 2        // the client's connection and the one to Exchange

	reservedMemory      = 56 << 20  // the process itself and the buffered bodies of all requests
	memoryPerConnection = 128 << 10 // a request's head at its limit; a notification stream needs 47 KiB

	// systemBuffer is the size of a connection's receive and send buffer, which the
	// system doubles for its own needs. By itself it lets them grow to megabytes,
	// which count as memory of the control group.
	systemBuffer = 64 << 10

	// Lines about connections that are not served.
	lineBurst    = 10
	lineInterval = 10 * time.Second

	// maxAdminConnections bounds the admin listener: probes, a scraper and a few
	// browsers.
	maxAdminConnections = 32
)

// connectionLimit returns how many connections clients may hold open. They must
// neither use up the files that the process needs to reach Entra ID and Exchange,
// nor more memory than the process may have.
func connectionLimit(files, memory int64) int {
	limit := min((files-reservedFiles)/filesPerRequest, (memory-reservedMemory)/memoryPerConnection)
	return int(max(minConnections, min(maxConnections, limit)))
}

// A limited listener shares a number of connection slots with other listeners.
// When all connections have a request, the next one waits for a slot, and later
// ones wait in the system's queue. A listener on a loopback address closes
// connections of other machines, which reach it where the system routes such
// packets (route_localnet, CVE-2020-8558).
type limited struct {
	net.Listener
	slots      *slots
	loopback   bool
	config     Config
	foreign    *logging.Thinning // lines about peers of other machines
	failures   *logging.Thinning // lines about connections that cannot be accepted
	handshakes *handshakeLog
	once       sync.Once
	closed     chan struct{}
}

func newLimited(l net.Listener, slots *slots, c Config) *limited {
	return &limited{Listener: l, slots: slots, loopback: isLoopback(l.Addr()), config: c, closed: make(chan struct{}),
		foreign: logging.NewThinning(lineBurst, lineInterval), failures: logging.NewThinning(lineBurst, lineInterval),
		handshakes: newHandshakeLog()}
}

// Accept returns the next connection, without TLS. A Unix socket's has the
// peer's user id as its remote address.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.reportFailure(err)
			return nil, err
		}
		if l.loopback && !isLoopback(c.RemoteAddr()) {
			l.logForeign(c.RemoteAddr())
			c.Close()
			continue
		}
		// After Accept, so that a listener without clients takes no slot.
		if !l.slots.acquire(l.closed) {
			c.Close()
			return nil, net.ErrClosed
		}
		accepted := newConn(c, l.slots)
		accepted.listener = l
		return accepted, nil
	}
}

func (l *limited) logForeign(peer net.Addr) {
	if omit, omitted := l.foreign.Count(); !omit {
		l.config.Log.Warn("connection of another machine to a loopback listener closed", "remote", peer.String(), "listen", l.Addr().String(), "omitted", omitted)
	}
}

// reportFailure logs and counts that a connection cannot be accepted, because the
// process has no file left for example. net/http tries again after a second at
// most.
func (l *limited) reportFailure(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	if l.config.Failed != nil {
		l.config.Failed()
	}
	if omit, omitted := l.failures.Count(); !omit {
		l.config.Log.Error("connection could not be accepted", "listen", l.Addr().String(), "error", err.Error(), "omitted", omitted)
	}
}

// isLoopback reports whether a TCP address is this machine's own. Unix sockets
// have no such addresses.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (l *limited) closeIdle() { l.slots.closeIdle() }

// Close closes the listener and ends the wait for a slot.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
