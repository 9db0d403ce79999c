package listener

import (
	"errors"
	"net"
	"sync"
	"time"

	"hmaproxy/internal/logging"
)

// Bounds on the connections that clients may hold open at the same time.
const (
	maxConnections  = 16 << 10 // more than three times the 5,000 notification streams of a large installation
	minConnections  = 64       // lower limit, even if the process may open few files or has little memory
	reservedFiles   = 512      // files that are neither connections of clients nor their connections to Exchange
	filesPerRequest = 2        // one connection of the client and one to Exchange

	processMemory       = 24 << 20  // memory of the process itself
	minReserved         = 56 << 20  // least memory that connections must leave free; the process and the bodies need it if memory is limited to 128 MiB
	memoryPerConnection = 128 << 10 // a request with a head of the maximum size; a notification stream needs 47 KiB

	// systemBuffer is the size of a connection's receive and send buffers, which
	// the system doubles for its own needs. By default the system lets them grow
	// to megabytes, which count as memory of the control group.
	systemBuffer = 64 << 10

	// Limits for the log lines about connections that are not served.
	lineBurst    = 10
	lineInterval = 10 * time.Second

	// maxAdminConnections is the limit of the admin listener, which serves
	// probes, a scraper and a few browsers.
	maxAdminConnections = 32
)

// connectionLimit returns how many connections clients may hold open, from
// minConnections to maxConnections. Within these bounds, the limit leaves enough
// files for connections to Entra ID and Exchange. Together, the connections, the
// bodies of all requests and the process itself keep within memory.
func connectionLimit(files, memory, bodies int64) int {
	reserved := max(minReserved, processMemory+bodies)
	limit := min((files-reservedFiles)/filesPerRequest, (memory-reserved)/memoryPerConnection)
	return int(max(minConnections, min(maxConnections, limit)))
}

// A limited listener shares a number of connection slots with other listeners.
// When all connections have a request, each listener accepts one more
// connection, which waits for a slot. Later connections wait in the system's
// queue. If no slot becomes free within maxSlotWait, new connections get
// ErrorServerBusy until a slot is free.
//
// A listener on a loopback address closes connections of other machines. They
// can arrive if the system routes such packets (route_localnet, CVE-2020-8558).
type limited struct {
	net.Listener
	slots      *slots
	loopback   bool
	config     Config
	foreign    *logging.Thinning // limits lines about peers on other machines
	failures   *logging.Thinning // limits lines about connections that cannot be accepted
	handshakes *handshakeLog
	once       sync.Once
	closed     chan struct{}
}

func newLimited(l net.Listener, slots *slots, c Config) *limited {
	return &limited{Listener: l, slots: slots, loopback: isLoopback(l.Addr()), config: c, closed: make(chan struct{}),
		foreign: logging.NewThinning(lineBurst, lineInterval), failures: logging.NewThinning(lineBurst, lineInterval),
		handshakes: newHandshakeLog()}
}

// Accept returns the next connection, without TLS. On Linux, the remote address of
// a Unix socket's connection is the peer's user id.
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
		// The slot is taken after Accept, so that a listener without clients takes no
		// slot.
		d := l.slots.acquire(l.closed)
		if d == closing {
			c.Close()
			return nil, net.ErrClosed
		}
		accepted := newConn(c, l.slots, d)
		accepted.listener = l
		return accepted, nil
	}
}

func (l *limited) logForeign(peer net.Addr) {
	if omit, omitted := l.foreign.Count(); !omit {
		l.config.Log.Warn("connection of another machine to a loopback listener closed", "remote", peer.String(), "listen", l.Addr().String(), "omitted", omitted)
	}
}

// reportFailure logs and counts a connection that cannot be accepted, for
// example because the process has too many files open. The server that called
// Accept tries again after at most a second.
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

// isLoopback reports whether a is the address of a TCP connection or listener
// on the loopback interface.
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
