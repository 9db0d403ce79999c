package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"hmaproxy/internal/lazyregexp"
)

// streams ends all notification streams when the process stops. They may last for
// half an hour; other requests usually end soon. It is safe for concurrent use.
type streams struct {
	ended context.Context
	end   context.CancelFunc
}

func newStreams() streams {
	ended, end := context.WithCancel(context.Background())
	return streams{ended, end}
}

// errStopping is the reason why a notification stream is ended or refused.
var errStopping = errors.New("hmaproxy is stopping")

// begin registers a stream. When EndStreams ends all streams, it calls cancel with
// errStopping. The caller calls stop when the stream ends. After EndStreams, begin
// returns errStopping.
func (s *streams) begin(cancel context.CancelCauseFunc) (stop func() bool, err error) {
	if s.ended.Err() != nil {
		return nil, errStopping
	}
	return s.follow(cancel), nil
}

// follow registers a stream that has begun. It is like begin, but after EndStreams
// it ends the stream instead of refusing it.
func (s *streams) follow(cancel context.CancelCauseFunc) (stop func() bool) {
	return context.AfterFunc(s.ended, func() { cancel(errStopping) })
}

// streamElement is the element that Exchange's response to GetStreamingEvents has
// in its Body. A text search without a parser suffices, because Exchange is trusted.
var streamElement = lazyregexp.New(`<(?:[A-Za-z_][\w.-]*:)?GetStreamingEventsResponse[\s/>]`)

// A streamDetector determines from the beginning of a response whether the response
// is a notification stream. It is used if the operation of the request is unknown.
// The head of the response does not show this: most responses of Exchange have no
// announced length.
type streamDetector struct {
	streams *streams
	cancel  context.CancelCauseFunc // ends the request
	header  http.Header
	first   []byte      // beginning of the response, compressed as header says
	parts   int         // number of calls of add
	stop    func() bool // ends the registration of the stream; nil if there is none
}

// add reads the next part of the response. It registers the response if it is a
// notification stream. It reports whether the result is known. After that, add must
// not be called again.
func (d *streamDetector) add(p []byte) (known bool) {
	d.first = append(d.first, p[:min(len(p), streamRead-len(d.first))]...)
	d.parts++
	if streamElement().Match(inflated(d.header, bytes.NewReader(d.first), inflatedRead)) {
		d.stop = d.streams.follow(d.cancel)
	} else if len(d.first) < streamRead && d.parts < streamParts {
		return false
	}
	d.first = nil
	return true
}

// end ends the registration. It is called when the response has ended.
func (d *streamDetector) end() {
	if d.stop != nil {
		d.stop()
	}
}

// streamClosed is the document with which Exchange ends a stream. The EWS Managed
// API expects a Header that is not an empty tag.
const streamClosed = `<?xml version="1.0" encoding="utf-8"?>` +
	`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<soap11:Header xmlns:soap11="http://schemas.xmlsoap.org/soap/envelope/"></soap11:Header>` +
	`<soap11:Body xmlns:soap11="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<m:GetStreamingEventsResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:ResponseMessages>` +
	`<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` +
	`<m:ConnectionStatus>Closed</m:ConnectionStatus>` +
	`</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse></soap11:Body></Envelope>`

// A tail keeps the last bytes of a stream of SOAP documents.
type tail struct {
	last [tailSize]byte
	n    int
}

const tailSize = 48 // enough for an end tag with a prefix, and white space

func (t *tail) add(p []byte) {
	if len(p) >= tailSize {
		t.n = copy(t.last[:], p[len(p)-tailSize:])
		return
	}
	if drop := t.n + len(p) - tailSize; drop > 0 {
		t.n = copy(t.last[:], t.last[drop:t.n])
	}
	t.n += copy(t.last[t.n:], p)
}

// endsDocument reports whether the stream ends with the end tag of an Envelope.
func (t *tail) endsDocument() bool {
	text, closed := bytes.CutSuffix(bytes.TrimRight(t.last[:t.n], " \t\r\n"), []byte(">"))
	name := bytes.TrimRight(text[bytes.LastIndexByte(text, '<')+1:], " \t\r\n")
	if !closed || !bytes.HasPrefix(name, []byte("/")) {
		return false
	}
	_, local, prefixed := bytes.Cut(name[1:], []byte(":"))
	if !prefixed {
		local = name[1:]
	}
	return string(local) == "Envelope"
}
