package proxy

import (
	"bytes"
	"context"
	"errors"
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
	return context.AfterFunc(s.ended, func() { cancel(errStopping) }), nil
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
