//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The expression "order" matches "ID.THINK": the id of a request and the time,
// in milliseconds, that Exchange works on it. The Id attribute of the request's
// folder or subscription contains both.
var order = regexp.MustCompile(`Id="(r\d+)\.(\d+)`)

// An exchangeServer executes requests and keeps a ledger of them.
type exchangeServer struct {
	mu     sync.Mutex
	ledger map[string]int // executions by request
}

// serveExchange serves until standard input ends. For each line of input it
// writes the ledger as one line.
func serveExchange(dir string) error {
	pair, err := tls.LoadX509KeyPair(dir+"/server.pem", dir+"/server-key.pem")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", ":443")
	if err != nil {
		return err
	}
	s := &exchangeServer{ledger: map[string]int{}}
	server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	go func() { _ = server.Serve(tls.NewListener(l, config)) }()
	if err := serveCorporateProxy(config); err != nil {
		return err
	}
	fmt.Println("serving")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		s.mu.Lock()
		err := json.NewEncoder(os.Stdout).Encode(s.ledger)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *exchangeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	m := order.FindSubmatch(text)
	if err != nil || m == nil {
		http.Error(w, "no order", http.StatusBadRequest)
		return
	}
	id := string(m[1])
	think, _ := time.ParseDuration(string(m[2]) + "ms")
	s.mu.Lock()
	s.ledger[id]++
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if strings.Contains(string(text), "GetStreamingEvents") {
		s.stream(w, r, id, think)
		return
	}
	time.Sleep(think) // Exchange continues even if the connection fails
	_, _ = fmt.Fprintf(w, "<done>%s</done>", id)
}

// streamEvent is a complete document in Exchange's form.
const streamEvent = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><event/></Envelope>`

// stream sends an event each second.
func (s *exchangeServer) stream(w http.ResponseWriter, r *http.Request, id string, lasts time.Duration) {
	rc := http.NewResponseController(w)
	for end := time.Now().Add(lasts); time.Now().Before(end) && r.Context().Err() == nil; time.Sleep(time.Second) {
		_, _ = io.WriteString(w, streamEvent)
		_ = rc.Flush()
	}
	_, _ = fmt.Fprintf(w, "<done>%s</done>", id)
}

// serveCorporateProxy serves HTTP CONNECT without and with TLS, and SOCKS5. It
// connects to Exchange even if a request names another host.
func serveCorporateProxy(config *tls.Config) error {
	for scheme, port := range corporateProxyPorts {
		l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		accept := acceptConnect
		switch scheme {
		case "https":
			l = tls.NewListener(l, config)
		case "socks5":
			accept = acceptSOCKS
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go tunnel(c, accept)
			}
		}()
	}
	return nil
}

// tunnel serves one connection of the corporate proxy. The function "accept"
// reads the request for a tunnel and responds to it. It reports whether both
// succeeded.
func tunnel(client net.Conn, accept func(*bufio.Reader, io.Writer) bool) {
	defer client.Close()
	exchange, err := net.Dial("tcp4", exchangeA.String()+":443")
	if err != nil {
		return
	}
	defer exchange.Close()
	in := bufio.NewReader(client)
	if !accept(in, client) {
		return
	}
	go func() {
		_, _ = io.Copy(exchange, in)
		exchange.Close()
	}()
	_, _ = io.Copy(client, exchange)
}

// acceptConnect serves a CONNECT request.
func acceptConnect(in *bufio.Reader, out io.Writer) bool {
	r, err := http.ReadRequest(in)
	if err != nil || r.Method != http.MethodConnect {
		return false
	}
	_, err = io.WriteString(out, "HTTP/1.1 200 Connection established\r\n\r\n")
	return err == nil
}

// acceptSOCKS serves the handshake of RFC 1928 without authentication, in which
// the client names the host.
func acceptSOCKS(in *bufio.Reader, out io.Writer) bool {
	const version, noAuthentication, connect, domainName, ipv4, succeeded = 5, 0, 1, 3, 1, 0
	greeting, err := readCounted(in, 1) // the version, then a list of methods
	if err != nil || greeting[0] != version || !slices.Contains(greeting[1:], noAuthentication) {
		return false
	}
	if _, err := out.Write([]byte{version, noAuthentication}); err != nil {
		return false
	}
	request, err := readCounted(in, 4) // the version, command, zero and type of the address, then the name
	if err != nil || !bytes.Equal(request[:4], []byte{version, connect, 0, domainName}) {
		return false
	}
	if _, err := in.Discard(2); err != nil { // the port
		return false
	}
	_, err = out.Write([]byte{version, succeeded, 0, ipv4, 0, 0, 0, 0, 0, 0})
	return err == nil
}

// readCounted reads "fixed" bytes, a byte with a length and that many bytes. It
// returns all of them without the length.
func readCounted(in io.Reader, fixed int) ([]byte, error) {
	read := make([]byte, fixed+1)
	if _, err := io.ReadFull(in, read); err != nil {
		return nil, err
	}
	counted := make([]byte, read[fixed])
	_, err := io.ReadFull(in, counted)
	return append(read[:fixed], counted...), err
}
