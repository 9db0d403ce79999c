//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"

	"hmaproxy/internal/ewstest"
)

// bulkBytes is the payload size of a large body.
const bulkBytes = 64 << 20

const event = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><m:GetStreamingEventsResponse ` +
	`xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"/></Body></Envelope>`

// heavy emulates Exchange for streams and large bodies.
type heavy struct {
	server  *http.Server
	address string
}

// newHeavy returns a running server, which the caller must close.
func newHeavy(config *tls.Config) (*heavy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	h := &heavy{address: l.Addr().String()}
	h.server = &http.Server{Handler: http.HandlerFunc(h.serve), ErrorLog: log.New(io.Discard, "", 0)}
	go h.server.Serve(tls.NewListener(l, config))
	return h, nil
}

func (h *heavy) close() { h.server.Close() }

// serve chooses the response by the beginning of the body.
func (h *heavy) serve(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	beginning := make([]byte, 2048)
	n, _ := io.ReadFull(r.Body, beginning)
	rest, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	switch {
	case bytes.Contains(beginning[:n], []byte("GetStreamingEvents>")):
		h.stream(w, r)
	case bytes.Contains(beginning[:n], []byte("GetAttachment>")):
		w.Header().Set("Content-Length", strconv.Itoa(bulkBytes))
		_, _ = io.Copy(w, io.LimitReader(letters{}, bulkBytes))
	default:
		fmt.Fprintf(w, "<got>%d</got>", int64(n)+rest)
	}
}

// stream sends one event and then keeps the response open until the client
// disconnects.
func (h *heavy) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Accel-Buffering", "no") // otherwise nginx would buffer the event
	_, _ = io.WriteString(w, event)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// letters is a reader of endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

// asking returns a message that contains the operation, given as XML, for
// alice's mailbox.
func asking(operation string) message {
	return message{ewstest.Envelope(alice, operation), alice, password}
}
