package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// Inherited returns a Listen that uses the sockets that systemd has opened and
// passed to this process (LISTEN_FDS, systemd.socket(5)). The Listen opens all
// other addresses itself. Inherited returns nil if there are no such sockets. The
// sockets of systemd stay open while the process restarts, so no client is
// refused.
//
// The address of each socket must be in addresses, the values of HMA_LISTEN and
// HMA_ADMIN_LISTEN, because the checks of the configuration apply to these
// values. Inherited removes LISTEN_FDS and its companions from the environment,
// so it must be called only once.
func Inherited(addresses []string) (Listen, error) {
	sockets, err := activation.Listeners()
	if err != nil || len(sockets) == 0 {
		return nil, err
	}
	return inherit(sockets, addresses)
}

func inherit(sockets []net.Listener, addresses []string) (Listen, error) {
	i := inherited{sockets: make(map[string]net.Listener, len(sockets))}
	var problems []error
	for _, socket := range sockets {
		if err := i.add(socket, addresses); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		for _, socket := range sockets {
			if socket != nil {
				socket.Close()
			}
		}
		return nil, errors.Join(problems...)
	}
	return i.listen, nil
}

// inherited holds the sockets that listen has not returned yet.
type inherited struct {
	mu      sync.Mutex
	sockets map[string]net.Listener // by address
}

func (i *inherited) add(socket net.Listener, addresses []string) error {
	if socket == nil {
		return errors.New("systemd passes a socket that does not listen for connections; expected ListenStream= and Accept=no in the socket unit")
	}
	address := socket.Addr()
	switch name := address.String(); {
	case address.Network() != "tcp":
		return fmt.Errorf("systemd passes the Unix socket %s; hmaproxy opens Unix sockets itself, so that it sees to who may connect: remove it from the socket unit", name)
	case !slices.Contains(addresses, name):
		return fmt.Errorf("systemd passes a socket that listens on %s, which neither HMA_LISTEN nor HMA_ADMIN_LISTEN names (%s): make ListenStream= and the settings agree", name, strings.Join(addresses, ", "))
	case i.sockets[name] != nil:
		return fmt.Errorf("systemd passes two sockets that listen on %s", name)
	default:
		i.sockets[name] = socket
	}
	return nil
}

// The first call of listen for an address returns the inherited socket, if there
// is one. Otherwise listen opens a socket.
func (i *inherited) listen(ctx context.Context, network, address string) (net.Listener, error) {
	i.mu.Lock()
	socket := i.sockets[address]
	delete(i.sockets, address)
	i.mu.Unlock()
	if socket != nil && network == "tcp" {
		return socket, nil
	}
	return ListenNetwork(ctx, network, address)
}
