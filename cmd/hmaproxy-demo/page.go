package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator"
)

// A page is the developer page. It shows the calls of the client under
// development with their bodies, and has buttons that inject faults. It serves
// only this machine. The product has no such page.
type page struct {
	cloud     *emulator.Emulator
	journal   *journal
	mailboxes []string
	proxy     string // address for EWS clients

	mu        sync.Mutex
	entraDown bool
	done      string // text about the last action
}

//go:embed page.html
var pageHTML string

// handler returns the page's HTTP handler. It accepts only requests from this
// machine.
func (p *page) handler() http.Handler {
	t := template.Must(template.New("page").Funcs(template.FuncMap{"time": clock}).Parse(pageHTML))
	mux := http.NewServeMux()
	show := func(name string, data func(*http.Request) (any, bool)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			values, ok := data(r)
			if !ok {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
			w.Header().Set("Cache-Control", "no-store")
			_ = t.ExecuteTemplate(w, name, values)
		}
	}
	mux.HandleFunc("GET /{$}", show("overview", func(*http.Request) (any, bool) { return p.overview(), true }))
	mux.HandleFunc("GET /calls/{id}", show("call", func(r *http.Request) (any, bool) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		c, ok := p.journal.find(id)
		return shownCall{c, p.proxy}, ok
	}))
	mux.HandleFunc("POST /do/{action}", func(w http.ResponseWriter, r *http.Request) {
		if err := p.do(r.PathValue("action"), r.FormValue("mailbox"), r.FormValue("subject")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return onlyLocal(http.NewCrossOriginProtection().Handler(mux))
}

// onlyLocal refuses peers that are not on loopback, and requests whose Host is
// not a loopback name. The second rule stops a web page whose DNS name was
// rebound to 127.0.0.1: its requests have that name as Host.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _, _ := net.SplitHostPort(r.RemoteAddr)
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(peer); ip == nil || !ip.IsLoopback() || !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host) {
			http.Error(w, "only from this machine, under a loopback name", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// An overview is the data of the template called overview.
type overview struct {
	Calls     []call
	Mailboxes []string
	EntraDown bool
	Done      string
}

func (p *page) overview() overview {
	p.mu.Lock()
	defer p.mu.Unlock()
	return overview{p.journal.all(), p.mailboxes, p.entraDown, p.done}
}

// The method "do" runs the action of a button.
func (p *page) do(action, mailbox, subject string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	exchange := p.cloud.Exchange()
	switch action {
	case "throttle":
		exchange.Inject(3, soapFault("ErrorServerBusy", "The server cannot service this request right now. Try again later.", 5000))
		p.done = "Exchange throttles the next three requests (ErrorServerBusy, 5 s of back-off)."
	case "moved":
		exchange.Inject(1, soapFault("ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later.", 0))
		p.done = "The next request meets a mailbox that is being moved (ErrorMailboxMoveInProgress)."
	case "cut":
		exchange.Inject(1, emulator.Fault{TruncateAt: 300})
		p.done = "The next response of Exchange is cut after 300 bytes."
	case "unavailable":
		exchange.Inject(1, emulator.Fault{Status: http.StatusServiceUnavailable, Body: "<html><title>Service Unavailable</title></html>"})
		p.done = "The front end of Exchange responds to the next request with 503 and HTML."
	case "revoke":
		exchange.RevokeAll()
		p.done = "Exchange refuses every token issued until now."
	case "entra":
		return p.toggleEntra()
	case "rotate":
		certificate, err := emulator.NewCertificate(emulator.CertOptions{})
		if err != nil {
			return err
		}
		p.cloud.Entra().Register(certificate)
		p.cloud.KeyVault().Upload(p.cloud.Config().CertName, certificate)
		p.done = "Key Vault has a new version of the certificate, thumbprint " + certificate.Thumbprint() + "."
	case "deliver":
		if subject = strings.TrimSpace(subject); subject == "" || !exchange.Deliver(mailbox, subject) {
			return fmt.Errorf("no mail was delivered; expected a subject, and one of the mailboxes %s", strings.Join(p.mailboxes, ", "))
		}
		p.done = "A mail was delivered to " + mailbox + "."
	default:
		return fmt.Errorf("unknown action %q", action)
	}
	return nil
}

// toggleEntra stops Entra ID if it is running, or else starts it.
func (p *page) toggleEntra() error {
	if p.entraDown {
		if err := p.cloud.Entra().Restart(); err != nil {
			return err
		}
		p.entraDown, p.done = false, "Entra ID is running."
		return nil
	}
	p.cloud.Entra().Stop()
	p.entraDown, p.done = true, "Entra ID is down. Requests are served while the token is valid."
	return nil
}

// soapFault returns a SOAP fault with a response code, in the form in which
// Exchange sends it. backOff is in milliseconds; 0 means no back-off time.
func soapFault(code, message string, backOff int) emulator.Fault {
	values := ""
	if backOff > 0 {
		values = fmt.Sprintf(`<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:Value Name="BackOffMilliseconds">%d</t:Value></t:MessageXml>`, backOff)
	}
	const errors = `xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors"`
	return emulator.Fault{
		Status: http.StatusInternalServerError,
		Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}},
		Body: `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
			`<faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:` + code + `</faultcode>` +
			`<faultstring xml:lang="en-US">` + message + `</faultstring><detail><e:ResponseCode ` + errors + `>` + code + `</e:ResponseCode>` +
			`<e:Message ` + errors + `>` + message + `</e:Message>` + values + `</detail></s:Fault></s:Body></s:Envelope>`,
	}
}

// A shownCall is a call with the values that the page derives from it.
type shownCall struct {
	call
	proxy string
}

var (
	operationName = regexp.MustCompile(`(?s)<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)
	impersonated  = regexp.MustCompile(`(?s)<(?:\w+:)?ConnectingSID[^>]*>\s*<[^>]+>\s*([^<\s]+)`)
)

// Operation returns the EWS operation of the request, or "" if the body
// contains no operation.
func (c call) Operation() string { return firstGroup(operationName, c.Request.Text()) }

// Mailbox returns the impersonated mailbox, or "" if the request impersonates
// no mailbox.
func (c call) Mailbox() string { return firstGroup(impersonated, c.Request.Text()) }

// Code returns the response code, or "" if the response contains no code.
func (c call) Code() string { return firstGroup(responseCode, c.Response.Text()) }

func firstGroup(r *regexp.Regexp, text string) string {
	if m := r.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// notForCurl are headers that curl sets by itself, that belong to one connection,
// or that hold credentials.
var notForCurl = []string{"Content-Length", "Connection", "Accept-Encoding", "Expect", "Transfer-Encoding", "Authorization", "User-Agent"}

// Curl returns a command that sends the request again, without credentials.
func (c shownCall) Curl() string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -s %s -X %s", shellQuote("http://"+c.proxy+c.Target), shellQuote(c.Method))
	for _, name := range sortedNames(c.Request.Header) {
		if slices.Contains(notForCurl, name) {
			continue
		}
		for _, value := range c.Request.Header[name] {
			fmt.Fprintf(&b, " \\\n  -H %s", shellQuote(name+": "+value))
		}
	}
	if len(c.Request.Body) > 0 {
		fmt.Fprintf(&b, " \\\n  --data-binary %s", shellQuote(string(c.Request.Body)))
	}
	return b.String()
}

// Headers returns the lines of a header. Credentials are shortened to their scheme.
func (p part) Headers() string {
	var b strings.Builder
	for _, name := range sortedNames(p.Header) {
		for _, value := range p.Header[name] {
			if name == "Authorization" {
				value, _, _ = strings.Cut(value, " ")
				value += " …"
			}
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

func sortedNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// clock formats a time of day.
func clock(t time.Time) string { return t.Format("15:04:05.000") }

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
