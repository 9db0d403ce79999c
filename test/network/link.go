//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A link forwards packets between two TUN devices, with faults.
type link struct {
	mu     sync.Mutex
	faults faults
	random *rand.Rand
	known  map[flow]bool // flows whose SYN has passed since the last call of forget
	free   [2]time.Time  // time at which each direction has sent everything in its queue

	// restored is the time since which new connections have been possible
	// again: the end of the last blackout, or the time at which connections or an
	// address were lost.
	restored time.Time
}

// faults are the properties of a link. The zero value is a link without faults.
type faults struct {
	delay time.Duration
	loss  float64             // share of packets that are lost, 0 to 1
	rate  int                 // bytes a second in each direction; 0 means no bound
	down  bool                // drop everything
	dead  map[netip.Addr]bool // hosts that drop everything
	nat   bool                // drop packets of flows that are not in known
}

// A flow is a TCP connection, identified by the client's port.
type flow struct{ port uint16 }

// queueTime is how long packets may wait on a slow line before they are dropped.
const queueTime = 2 * time.Second

func (l *link) set(f faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.down && !f.down || len(f.dead) > 0 {
		l.restored = time.Now()
	}
	l.faults = f
}

// restoredAfter returns the value of restored, and whether it is after t.
func (l *link) restoredAfter(t time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.restored, l.restored.After(t)
}

// forget makes the link drop the packets of all current connections, like a NAT
// or a firewall that has lost its state.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = map[flow]bool{}
	l.faults.nat = true
	l.restored = time.Now()
}

// forward copies packets from one device to another, in their order, until the
// source is closed.
func (l *link) forward(direction int, from, to *os.File) {
	buf := make([]byte, 64<<10)
	under := make(chan packet, maxUnderWay)
	defer close(under)
	go deliver(under, to)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		wait, pass := l.transit(direction, buf[:n])
		if !pass {
			continue
		}
		select {
		case under <- packet{time.Now().Add(wait), append([]byte(nil), buf[:n]...)}:
		default: // the packet is lost
		}
	}
}

// A packet waits on the link until it is due.
type packet struct {
	due  time.Time
	data []byte
}

// maxUnderWay is how many packets may wait in one direction.
const maxUnderWay = 16 << 10

// deliver writes the packets when they are due, in their order.
func deliver(under <-chan packet, to *os.File) {
	for p := range under {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait)
		}
		_, _ = to.Write(p.data)
	}
}

// transit returns how long a packet waits, and whether it arrives.
func (l *link) transit(direction int, data []byte) (wait time.Duration, pass bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const minIPv4 = 20
	if len(data) < minIPv4 || data[0]>>4 != 4 {
		return 0, false
	}
	f := l.faults
	source, _ := netip.AddrFromSlice(data[12:16])
	target, _ := netip.AddrFromSlice(data[16:20])
	if f.down || f.dead[source] || f.dead[target] || f.nat && !l.flowKnown(direction, data) || l.random.Float64() < f.loss {
		return 0, false
	}
	now := time.Now()
	wait = f.delay
	if f.rate > 0 {
		free := l.free[direction]
		if free.Before(now) {
			free = now
		}
		if free.Sub(now) > queueTime {
			return 0, false
		}
		l.free[direction] = free.Add(time.Duration(len(data)) * time.Second / time.Duration(f.rate))
		wait += l.free[direction].Sub(now)
	}
	return wait, true
}

// flowKnown reports whether a packet may pass: it belongs to a known flow, begins
// a flow, or is not TCP. It must be called with l.mu locked.
func (l *link) flowKnown(direction int, data []byte) bool {
	header := int(data[0]&0x0f) * 4
	const tcp, minTCP, syn = 6, 20, 0x02
	if data[9] != tcp || len(data) < header+minTCP {
		return true
	}
	segment := data[header:]
	port := binary.BigEndian.Uint16(segment[0:])
	if direction == toClient {
		port = binary.BigEndian.Uint16(segment[2:])
	}
	if direction == toServer && segment[13]&syn != 0 {
		l.known[flow{port}] = true
	}
	return l.known[flow{port}]
}

// Directions of a link.
const (
	toServer = iota
	toClient
)

// openTUN opens a TUN device in a namespace and gives it addresses.
func openTUN(namespace, name string, addresses ...string) (*os.File, error) {
	file, err := inNamespace(namespace, func() (*os.File, error) {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("/dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(name)
		if err != nil {
			return nil, err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return nil, fmt.Errorf("TUN device: %w", err)
		}
		return os.NewFile(uintptr(fd), name), nil
	})
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		err = errors.Join(err, ip("-n", namespace, "addr", "add", address, "dev", name))
	}
	return file, errors.Join(err, ip("-n", namespace, "link", "set", name, "up", "txqueuelen", "1000"))
}

// inNamespace calls f in a thread that is in a network namespace.
func inNamespace(namespace string, f func() (*os.File, error)) (file *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the goroutine never unlocks the thread, so the thread ends with the goroutine
		var handle int
		if handle, err = unix.Open("/var/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(handle)
		if err = unix.Setns(handle, unix.CLONE_NEWNET); err == nil {
			file, err = f()
		}
	}()
	<-done
	return file, err
}
