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

	"hmaproxy/proxy/policy"
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

// eventsDocument is the document with which Exchange begins a notification stream.
const eventsDocument = `<?xml version="1.0" encoding="utf-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<soap11:Header xmlns:soap11="http://schemas.xmlsoap.org/soap/envelope/"><ServerVersionInfo MajorVersion="15" MinorVersion="1" ` +
	`xmlns="http://schemas.microsoft.com/exchange/services/2006/types"/></soap11:Header>` +
	`<soap11:Body xmlns:soap11="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<m:GetStreamingEventsResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><m:ResponseMessages>` +
	`<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` +
	`<m:ConnectionStatus>OK</m:ConnectionStatus></m:GetStreamingEventsResponseMessage></m:ResponseMessages>` +
	`</m:GetStreamingEventsResponse></soap11:Body></Envelope>`

// waitForEnd reads until the connection is closed.
func waitForEnd(r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// startStream sends GetStreamingEvents on a new connection.
func startStream(l *scripted) (net.Conn, *bufio.Reader) {
	return startRequest(l, string(envelope("alice@contoso.com", getStreamingEvents)))
}

// startRequest sends a document on a new connection.
func startRequest(l *scripted, document string) (net.Conn, *bufio.Reader) {
	c, in := l.dial()
	fmt.Fprint(c, head(len(document)), document)
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

// inParts returns the head and the first document of a stream. The document has n parts,
// and the last one completes the name of the element that shows a stream.
func inParts(n int) []string {
	const name = "GetStreamingEventsResponse"
	start := strings.Index(eventsDocument, name)
	all := []string{streamHead + "\r\n" + chunked(eventsDocument[:start-n+2])}
	for i := start - n + 2; i < start; i++ {
		all = append(all, chunked(eventsDocument[i:i+1]))
	}
	return append(all, chunked(eventsDocument[start:]))
}

// TestEndStreamsWithoutAnOperation checks that EndStreams ends the streams of
// requests whose operation is unknown, because their document cannot be read. Another
// response to such a request is relayed to its end.
func TestEndStreamsWithoutAnOperation(t *testing.T) {
	// message and rest are a response that has the name of a stream's element in a text.
	const message = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>&lt;m:GetStreamingEventsResponse&gt; GetStreamingEventsResponse`
	const rest = `</s:Body></s:Envelope>`
	gzip := streamHead + "Content-Encoding: gzip\r\n\r\n"
	half := strings.Index(eventsDocument, "EventsResponse") // in the name of the element that shows a stream
	const (
		closed  = iota // the client gets the document that ends a stream
		cut            // the response is aborted
		relayed        // the client gets the whole response
	)
	cases := []struct {
		name   string
		before []string // parts of Exchange's response, at intervals of a second from the beginning
		after  string   // part that Exchange sends 30 s after EndStreams
		want   int
	}{
		{"a stream", []string{streamHead + "\r\n" + chunked(eventsDocument)}, "", closed},
		{"a stream without a prefix", []string{streamHead + "\r\n" + chunked(strings.ReplaceAll(eventsDocument, "m:Get", "Get"))}, "", closed},
		{"a stream whose element comes in two parts", []string{streamHead + "\r\n" + chunked(eventsDocument[:half]), chunked(eventsDocument[half:])}, "", closed},
		{"a stream whose element comes in 32 parts", inParts(32), "", closed},
		{"a response in 33 parts", append(inParts(33), chunked(rest)), "0\r\n\r\n", relayed},
		{"a later document of a stream", []string{streamHead + "\r\n" + chunked(eventsDocument), chunked(eventsDocument), chunked(eventsDocument)}, "", closed},
		{"within a document of a stream", []string{streamHead + "\r\n" + chunked(eventsDocument) + chunked(eventsDocument[:300])}, "", cut},
		{"a compressed stream", []string{gzip + chunked(zipped(eventsDocument))}, "", cut},
		{"a stream that begins after EndStreams", nil, streamHead + "\r\n" + chunked(eventsDocument), closed},
		{"another response", []string{streamHead + "\r\n" + chunked(message)}, chunked(rest) + "0\r\n\r\n", relayed},
		{"another response that has no end yet", []string{streamHead + "\r\n" + chunked(message+rest)}, "0\r\n\r\n", relayed},
		{"another response, compressed", []string{gzip + chunked(zipped(message))}, chunked(zipped(rest)) + "0\r\n\r\n", relayed},
		{"a long response that has the name of a stream's element late", []string{streamHead + "\r\n" + chunked(message+strings.Repeat(" ", 20000)), chunked("<GetStreamingEventsResponse/>")}, chunked(rest) + "0\r\n\r\n", relayed},
	}
	policies := map[string]*policy.Policy{
		"without a list": open(t),
		"audit mode":     mustPolicy(t, policy.Config{Allowed: patterns(t, "alice@contoso.com"), Audit: true}),
	}
	for _, tc := range cases {
		for mode, p := range policies {
			t.Run(tc.name+"/"+mode, func(t *testing.T) {
				const stopAt = time.Minute
				script := func(_ int, c net.Conn, r *bufio.Reader) {
					_, _ = io.CopyN(io.Discard, r, int64(contentLength(readHead(r))))
					stop := time.Now().Add(stopAt)
					for _, part := range tc.before {
						_, _ = io.WriteString(c, part)
						time.Sleep(time.Second)
					}
					go func() {
						time.Sleep(time.Until(stop.Add(30 * time.Second)))
						_, _ = io.WriteString(c, tc.after)
					}()
					waitForEnd(r)
				}
				withScript(t, p, script, func(l *scripted) {
					began := time.Now()
					conn, in := startRequest(l, "<!DOCTYPE x>"+string(envelope("alice@contoso.com", getStreamingEvents)))
					within(conn, 5*time.Minute)
					time.AfterFunc(stopAt, l.handler.EndStreams)
					status, text := readReply(in)
					took := time.Since(began)
					conn.Close()
					record := l.over(1, time.Minute)[0]
					end, whole, reason := stopAt, true, ""
					if tc.after != "" {
						end += 30 * time.Second
					}
					if tc.want == cut {
						whole, reason = false, "proxy-stopping"
					}
					if took < end || took > end+time.Second {
						t.Errorf("the response ended after %v, want %v", took, end)
					}
					if closes := strings.Contains(text, "<m:ConnectionStatus>Closed<"); (status == http.StatusOK) != whole || closes != (tc.want == closed) {
						t.Errorf("got %d %q", status, text)
					}
					if record.Mailbox != "unreadable" || record.Reason.String() != reason || record.Aborted == whole {
						t.Errorf("recorded as %q of %q, aborted %v, want %q", record.Reason, record.Mailbox, record.Aborted, reason)
					}
				})
			})
		}
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
