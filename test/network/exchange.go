//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
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
	go func() { _ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})) }()
	if err := serveCorporateProxy(); err != nil {
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

// serveCorporateProxy serves CONNECT requests. It connects to Exchange even if a
// request names another host.
func serveCorporateProxy() error {
	l, err := net.Listen("tcp4", fmt.Sprintf(":%d", proxyPort))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go tunnel(c)
		}
	}()
	return nil
}

// tunnel serves one connection of the corporate proxy.
func tunnel(client net.Conn) {
	defer client.Close()
	in := bufio.NewReader(client)
	r, err := http.ReadRequest(in)
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	exchange, err := net.Dial("tcp4", exchangeA.String()+":443")
	if err != nil {
		return
	}
	defer exchange.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(exchange, in)
		exchange.Close()
	}()
	_, _ = io.Copy(client, exchange)
}
