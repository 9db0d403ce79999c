package proxy_test

import (
	"bufio"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// TestResponsesThatAreNoEWSResponses covers responses that devices in front of
// Exchange, and Exchange's web server, send in place of an EWS response. The
// response codes come from docs/design.md.
func TestResponsesThatAreNoEWSResponses(t *testing.T) {
	page := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Server", "BigIP")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><TITLE lang=\"de\">\r\n Sign&nbsp;in \u00fc\t</TITLE></head></html>")
		}
	}
	plain := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name    string
		respond http.HandlerFunc
		code    string
		detail  string // a part of the record's text
	}{
		{"page-200", page(200), "ErrorServerBusy", `Server "BigIP", title "Sign&nbsp;in ?"`},
		{"page-400", page(400), "ErrorServerBusy", "status 400"},
		{"page-403", page(403), "ErrorServerBusy", "status 403"},
		{"page-404", page(404), "ErrorInternalServerError", "status 404"},
		{"page-405", page(405), "ErrorInternalServerError", "status 405"},
		{"page-413", page(413), "ErrorMessageSizeExceeded", "status 413"},
		{"page-417", page(417), "ErrorServerBusy", "status 417"},
		{"page-440", page(440), "ErrorServerBusy", "status 440"},
		{"page-500", page(500), "ErrorServerBusy", "status 500"},
		{"page-501", page(501), "ErrorInternalServerError", "status 501"},
		{"page-503", page(503, "Retry-After", "30"), "ErrorServerBusy", "status 503"},
		{"with a location", page(200, "Location", "https://login.contoso.com:8443/x?token=secret"), "ErrorServerBusy", `Location of "login.contoso.com:8443"`},
		{"empty-200", plain(200, "", ""), "ErrorServerBusy", "status 200"},
		{"text/xml, 200, empty", plain(200, "text/xml; charset=utf-8", ""), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, 200, empty in chunks", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/xml")
			w.(http.Flusher).Flush()
		}, "ErrorServerBusy", "no SOAP document"},
		{"text/xml, 500, empty", plain(500, "text/xml; charset=utf-8", ""), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, a page", plain(200, "text/xml", "\ufeff<!DOCTYPE html><html><title>Sign on</title>"), "ErrorServerBusy", `title "Sign on", no SOAP document`},
		{"text/xml, XHTML", plain(200, "text/xml", "<?xml version=\"1.0\"?>\r\n<!-- <Envelope> --><html/>"), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, another root", plain(500, "text/xml", "<EnvelopeX><Envelope/></EnvelopeX>"), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, text", plain(503, "text/xml", "The service is unavailable."), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, JSON", plain(200, "text/xml", `{"error":"login_required"}`), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, a page without a declaration", plain(200, "text/xml", "<HTML>"), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, white space", plain(200, "text/xml", " \r\n"), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, an end in the declaration", plain(200, "text/xml", "<?xml version"), "ErrorServerBusy", "no SOAP document"},
		{"text/xml, and text/html", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header()["Content-Type"] = []string{"text/xml", "text/html"}
			_, _ = io.WriteString(w, "<Envelope/>")
		}, "ErrorServerBusy", "status 200"},
		{"text/xml, a page in single bytes", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/xml")
			for _, c := range []byte("\ufeff <!-- --><!DOCTYPE html>") {
				_, _ = w.Write([]byte{c})
				_ = http.NewResponseController(w).Flush()
			}
		}, "ErrorServerBusy", "no SOAP document"},
		{"text/xml, a compressed page", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/xml")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "<html><title>Sign up</title>")
			z.Close()
		}, "ErrorServerBusy", `title "Sign up"`},
		{"text/xml, a compressed page after a long comment", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/xml")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "<!--"+strings.Repeat(" ", 10_000)+"--><html><title>Sign up</title>"+rand.Text())
			for range 1000 { // more bytes than the proxy reads before it relays the head
				_, _ = io.WriteString(z, rand.Text())
			}
			z.Close()
		}, "ErrorServerBusy", `title "Sign up"`},
		{"no media type", plain(200, "", "<Envelope/>"), "ErrorServerBusy", "status 200"},
		{"SOAP 1.2", plain(200, "application/soap+xml", "<Envelope/>"), "ErrorServerBusy", `type "application/soap+xml"`},
		{"almost text/xml", plain(200, "text/xml-external-parsed-entity", "<x/>"), "ErrorServerBusy", "status 200"},
		{"no content", plain(204, "", ""), "ErrorServerBusy", "status 204"},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "<title>Sign in</title>")
			z.Close()
		}, "ErrorServerBusy", `title "Sign in"`},
		{"the token in the title", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<title>"+r.Header.Get("Authorization")+"</title>")
		}, "ErrorServerBusy", "status 200"},
		{"control characters", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<title>a\x1b[31mb"+strings.Repeat("c", 5000)+"</title>")
		}, "ErrorServerBusy", `title "a?[31mbccc`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{policy: only(t, "alice@contoso.com"), respond: c.respond})
			resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
			rec := r.last(t)
			if resp.StatusCode != 500 || resp.Header.Get("Content-Type") != "text/xml; charset=utf-8" || readFault(t, text).Detail != c.code {
				t.Errorf("status %d, %s", resp.StatusCode, text)
			}
			if rec.Reason.String() != "upstream-not-ews" || rec.Reason.Class() != proxy.ClassFailed || !strings.Contains(rec.Detail, c.detail) {
				t.Errorf("reason %q, detail %q", rec.Reason, rec.Detail)
			}
			if strings.Contains(rec.Detail, goodToken) || strings.Contains(rec.Detail, "secret") || len(rec.Detail) > 500 || strings.Contains(text, "Sign") {
				t.Errorf("detail %q, text %q", rec.Detail, text)
			}
			if busy := c.code == "ErrorServerBusy"; busy != (resp.Header.Get("Retry-After") != "") || busy != strings.Contains(text, "BackOffMilliseconds") {
				t.Errorf("Retry-After %q, %s", resp.Header.Get("Retry-After"), text)
			}
			if c.name == "page-503" && resp.Header.Get("Retry-After") != "30" {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
		})
	}
}

// TestEWSResponsesAreRelayed checks which responses are relayed unchanged: SOAP,
// other content that programs that imitate EWS send with status 200, and responses
// to requests for the WSDL.
func TestEWSResponsesAreRelayed(t *testing.T) {
	const soap = "<Envelope/>"
	for _, c := range []struct {
		method, contentType string
		status              int
		body                string
	}{
		{"POST", "text/xml; charset=utf-8", 200, soap},
		{"POST", "Text/XML;charset=\"utf-8\"", 500, soap},
		{"POST", "text/xml", 503, soap},
		{"POST", "text/xml ; charset=utf-8", 404, soap},
		{"POST", "text/xml", 200, "\ufeff\r\n<?xml version=\"1.0\"?><!-- <html> -->\n<s:Envelope\txmlns:s='x'/>"},
		{"POST", "text/xml", 200, "<done/>"}, // programs that imitate EWS may send such documents
		{"POST", "text/xml", 200, "xxxx"},
		{"POST", "text/xml; charset=utf-16", 200, "\xff\xfe<\x00s\x00:\x00E\x00"},
		{"POST", "text/xml; charset=utf-16", 200, "\x00<\x00s\x00:\x00E"},
		{"POST", "text/xml", 200, "<!--" + strings.Repeat(" ", 10_000) + "--><Envelope/>"}, // the first part does not show the kind of document
		{"GET", "text/html", 200, "<x/>"},
		{"GET", "", 200, "<x/>"},
		{"GET", "text/html", 404, "<x/>"},
	} {
		r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header()["Content-Type"] = nil
			if c.contentType != "" {
				w.Header().Set("Content-Type", c.contentType)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}})
		req, _ := http.NewRequest(c.method, "http://"+r.address+"/EWS/Exchange.asmx", http.NoBody)
		if c.method == "GET" {
			req.URL.RawQuery = "wsdl"
		} else {
			req.Header.Set("Content-Type", "text/xml")
			req.Body = io.NopCloser(strings.NewReader(string(envelope("alice@contoso.com", getFolder))))
			req.ContentLength = -1
		}
		if resp, text := r.do(t, req); resp.StatusCode != c.status || text != c.body || resp.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%v: status %d, Content-Type %q, %q", c, resp.StatusCode, resp.Header.Get("Content-Type"), text)
		}
	}
}

// TestResponsesToUnreadRequests checks chunked responses to a request whose
// operation the proxy cannot read. The first bytes of such a response are checked
// too, because the only operation that docs/design.md excepts is GetStreamingEvents.
func TestResponsesToUnreadRequests(t *testing.T) {
	for _, c := range []struct {
		name, body string
		relayed    bool
	}{
		{"empty", "", false},
		{"a page", "<html><title>Sign in</title></html>", false},
		{"SOAP", "<Envelope/>", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/xml")
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, c.body)
			}})
			resp, text := r.post(t, []byte("not XML"))
			rec := r.last(t)
			if rec.Operation != "" || rec.Mailbox != "unreadable" {
				t.Errorf("the proxy has read operation %q, mailbox %q", rec.Operation, rec.Mailbox)
			}
			switch {
			case c.relayed:
				if resp.StatusCode != 200 || text != c.body || rec.Reason != proxy.ReasonNone {
					t.Errorf("status %d, reason %v, %q", resp.StatusCode, rec.Reason, text)
				}
			case resp.StatusCode != 500 || rec.Reason.String() != "upstream-not-ews" || readFault(t, text).Detail != "ErrorServerBusy":
				t.Errorf("status %d, reason %v, %q", resp.StatusCode, rec.Reason, text)
			}
		})
	}
}

// TestLateTitleOfAPage checks that the title of a page in response to an unreadable
// request is logged although it arrives after the part that shows that the response is
// a page.
func TestLateTitleOfAPage(t *testing.T) {
	script := func(_ int, c net.Conn, r *bufio.Reader) {
		readBodyOf(r, contentLength(readHead(r)))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked("<html><!--"+strings.Repeat("x", 3000)))
		time.Sleep(100 * time.Millisecond)
		_, _ = io.WriteString(c, chunked("--><title>Sign in</title>")+"0\r\n\r\n")
		waitForEnd(r)
	}
	withScript(t, open(t), script, func(l *scripted) {
		conn, in := startRequest(l, "not XML")
		within(conn, time.Minute)
		readReply(in)
		conn.Close()
		if rec := l.over(1, time.Minute)[0]; !strings.Contains(rec.Detail, `title "Sign in"`) {
			t.Errorf("detail %q", rec.Detail)
		}
	})
}

// TestEmptyWSDLIsRelayed checks that the rules for responses to a POST do not apply
// to a GET.
func TestEmptyWSDLIsRelayed(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_ = http.NewResponseController(w).Flush() // a body in chunks
	}})
	req, err := http.NewRequest(http.MethodGet, "http://"+r.address+"/EWS/Exchange.asmx?wsdl", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, text := r.do(t, req)
	if rec := r.last(t); resp.StatusCode != 200 || text != "" || rec.Reason != proxy.ReasonNone {
		t.Errorf("status %d, reason %v, %q", resp.StatusCode, rec.Reason, text)
	}
}
