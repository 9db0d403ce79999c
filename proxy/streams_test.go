package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const getStreamingEvents = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:SubscriptionIds>` +
	`<m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`

// streamHead is the head of Exchange's response to GetStreamingEvents, without the
// empty line at its end.
const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n"

// chunked returns text as one chunk of the chunked transfer coding.
func chunked(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// streamDocument is a document of a notification stream in Exchange's form.
const streamDocument = `<?xml version="1.0" encoding="utf-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<soap11:Body xmlns:soap11="http://schemas.xmlsoap.org/soap/envelope/"/></Envelope>`

// waitForEnd reads until the connection is closed.
func waitForEnd(r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// startStream sends GetStreamingEvents on a new connection.
func startStream(l *scripted) (net.Conn, *bufio.Reader) {
	c, in := l.dial()
	body := envelope("alice@contoso.com", getStreamingEvents)
	fmt.Fprint(c, head(len(body)), string(body))
	synctest.Wait()
	return c, in
}

func TestEndStreams(t *testing.T) {
	cases := []struct {
		name     string
		response string // last part of Exchange's response before the streams are ended
		proper   bool   // the client's response must have a proper end
	}{
		{"before the first document", streamHead + "\r\n", true},
		{"after a document", streamHead + "\r\n" + chunked(streamDocument), true},
		{"after a document with a prefix", streamHead + "\r\n" + chunked("<s:Envelope></s:Envelope>"), true},
		{"after a document and white space", streamHead + "\r\n" + chunked(streamDocument+" \r\n"), true},
		{"after a document in small parts", streamHead + "\r\n" + chunked(streamDocument[:len(streamDocument)-5]) + chunked("lope>"), true},
		{"within a document", streamHead + "\r\n" + chunked(streamDocument) + chunked(streamDocument[:40]), false},
		{"before the last byte of a document", streamHead + "\r\n" + chunked(streamDocument[:len(streamDocument)-1]), false},
		{"after a tag that is not an end tag", streamHead + "\r\n" + chunked("<Envelope>"), false},
		{"after the end tag of another element", streamHead + "\r\n" + chunked("<Envelope></Envelopes>"), false},
		{"after a text that looks like an end tag", streamHead + "\r\n" + chunked("<Envelope>/Envelope>"), false},
		{"within a compressed response", streamHead + "Content-Encoding: gzip\r\n\r\n" + chunked(zipped(streamDocument)), false},
		{"within a response of a known length", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9999\r\n\r\n" + streamDocument, false},
		{"within an error response", strings.Replace(streamHead, "200 OK", "500 Internal Server Error", 1) + "\r\n" + chunked(streamDocument), false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			script := func(_ int, c net.Conn, r *bufio.Reader) {
				_, _ = io.CopyN(io.Discard, r, int64(contentLength(readHead(r))))
				_, _ = io.WriteString(c, tc.response)
				waitForEnd(r)
			}
			withScript(t, open(t), script, func(l *scripted) {
				_, in := startStream(l)
				time.AfterFunc(time.Minute, l.handler.EndStreams)
				var text []byte
				resp, err := http.ReadResponse(in, nil)
				if err == nil {
					text, err = io.ReadAll(resp.Body)
				}
				record := l.over(1, time.Second)[0]
				if tc.proper {
					if err != nil || !strings.HasSuffix(string(text), "<m:ConnectionStatus>Closed</m:ConnectionStatus></m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse></soap11:Body></Envelope>") {
						t.Errorf("got %q, %v, want the document that ends a stream", text, err)
					}
					if record.Reason.String() != "" || record.Aborted {
						t.Errorf("recorded as %q, aborted %v", record.Reason, record.Aborted)
					}
					return
				}
				if err == nil {
					t.Errorf("%q looks complete", text)
				}
				if record.Reason.String() != "proxy-stopping" || !record.Aborted {
					t.Errorf("recorded as %q, aborted %v", record.Reason, record.Aborted)
				}
			})
		})
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Flush()
	return b.String()
}

// TestEndStreamsBeforeTheResponse checks that EndStreams ends a stream whose response
// has not begun, and that a stream requested after EndStreams is refused.
func TestEndStreamsBeforeTheResponse(t *testing.T) {
	requests := 0
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		_, _ = io.CopyN(io.Discard, r, int64(contentLength(readHead(r))))
		requests++
		waitForEnd(r)
	}
	withScript(t, open(t), script, func(l *scripted) {
		requests = 0
		_, first := startStream(l)
		l.handler.EndStreams()
		time.Sleep(time.Second)
		_, second := startStream(l)
		for name, in := range map[string]*bufio.Reader{"before": first, "after": second} {
			status, text := readReply(in)
			if status != http.StatusInternalServerError || !strings.Contains(text, "ErrorServerBusy") || !strings.Contains(text, "proxy-stopping") {
				t.Errorf("%s: got %d %q", name, status, text)
			}
		}
		l.over(2, time.Minute)
		if requests != 1 {
			t.Errorf("%d requests reached Exchange, want 1", requests)
		}
	})
}

// TestEndStreamsLeavesOtherRequestsAlone checks that EndStreams affects neither a
// request in progress nor a new request if these are not notification streams.
func TestEndStreamsLeavesOtherRequestsAlone(t *testing.T) {
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			n := contentLength(readHead(r))
			if n == 0 {
				return
			}
			_, _ = io.CopyN(io.Discard, r, int64(n))
			time.Sleep(time.Minute)
			_, _ = io.WriteString(c, shortOK)
		}
	}
	withScript(t, open(t), script, func(l *scripted) {
		c, in := l.dial()
		body := envelope("alice@contoso.com", getFolder)
		fmt.Fprint(c, head(len(body)), string(body))
		time.Sleep(time.Second)
		l.handler.EndStreams()
		for range 2 {
			if status, text := readReply(in); status != http.StatusOK || text != "<Envelope/>" {
				t.Errorf("got %d %q", status, text)
			}
			fmt.Fprint(c, head(len(body)), string(body))
		}
	})
}
