package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/reltime"
	"hmaproxy/proxy/policy"
)

// A Resolver resolves names, like net.Resolver.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// AutodiscoverOptions are the input of Autodiscover. Mailbox is required.
type AutodiscoverOptions struct {
	Mailbox string // "alice@contoso.com"

	Resolver Resolver                                                             // nil: the system's resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	Roots    *x509.CertPool                                                       // roots that clients trust; nil: the system's
	Domain   string                                                               // Active Directory domain of the machine; "" if it is in no domain
	Temp     string                                                               // folder of temporary files, where exchangelib caches results; "": not searched
	Report   func(Result)                                                         // called for each result, in order; may be nil
}

// lookTime is the timeout of each look-up and each request.
const lookTime = 10 * time.Second

// Autodiscover searches for the Exchange of a mailbox as clients on this
// machine do. It tries each location that clients try, in the order that most
// clients use, and returns a Result for each location. Further Results are
// about the mailbox and the machine. A location fails if it leads clients to
// another server before they find hmaproxy. Autodiscover needs a running
// hmaproxy and no settings. It sends no credentials.
func Autodiscover(ctx context.Context, o AutodiscoverOptions) []Result {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	w := &walk{options: o}
	if _, err := policy.ParseAddress(o.Mailbox); err != nil {
		w.report("mailbox", "mailbox", Result{Status: Failed, Detail: err.Error(), Cause: "-autodiscover needs the address of a mailbox", Repair: []string{"hmaproxy doctor -autodiscover alice@contoso.com"}})
		return w.all
	}
	_, w.domain, _ = strings.Cut(o.Mailbox, "@")
	w.domain = strings.ToLower(w.domain)
	w.visit(ctx)
	return w.all
}

// A walk is one run of Autodiscover.
type walk struct {
	options   AutodiscoverOptions
	domain    string
	found     string // URL of the first location at which hmaproxy serves Autodiscover with a trusted certificate; "": none yet
	elsewhere bool   // a location that clients try before the one in found leads to another server
	all       []Result
}

func (w *walk) report(id, title string, r Result) {
	r.Check, r.Title = "autodiscover-"+id, "Autodiscover: "+title
	r = new(redactor).clean(r)
	w.all = append(w.all, r)
	if w.options.Report != nil {
		w.options.Report(r)
	}
}

// visit reports all locations. If hmaproxy serves Autodiscover with a trusted
// certificate at one of them, visit also requests the mailbox there and searches
// for results that exchangelib cached.
func (w *walk) visit(ctx context.Context) {
	if w.options.Domain != "" {
		w.report("scp", "Active Directory", Result{Status: OK, Detail: "this machine is in the domain " + w.options.Domain, Warnings: []string{
			"the EWS Managed API asks Active Directory first (SCP). Its URLs are normally https://autodiscover.DOMAIN/…, which is looked at below. See them with: Get-ClientAccessService | fl AutoDiscoverServiceInternalUri; where they name a server, set EnableScpLookup=false in the client"}})
	}
	host := "autodiscover." + w.domain
	for _, place := range []struct{ id, host string }{{"domain", w.domain}, {"host", host}} {
		target := "https://" + place.host + "/autodiscover/autodiscover.xml"
		w.report(place.id, target, w.https(ctx, place.host, target))
	}
	w.report("redirect", "http://"+host, w.plain(ctx, host))
	w.report("srv", "_autodiscover._tcp."+w.domain, w.srv(ctx))
	if w.found == "" {
		w.report("found", "hmaproxy", Result{Status: Failed, Detail: "no place leads to hmaproxy",
			Cause:  "the names lead elsewhere, or hmaproxy does not listen at port 443 of the address that they lead to",
			Repair: []string{"a line in the hosts file of this machine, or a record in the DNS that it alone asks: 127.0.0.1 " + host, "HMA_LISTEN=127.0.0.1:443, HMA_TLS_CERT_FILE, HMA_HOST_NAMES=" + host + "," + w.domain + ", HMA_AUTODISCOVER=auto; see docs/autodiscover.md"}})
		return
	}
	w.report("mailbox", w.options.Mailbox, w.mailbox(ctx))
	w.cache()
}

// A visitResult is the response at a location.
type visitResult struct {
	status  int
	header  http.Header
	body    string
	chain   error     // why this machine does not trust the certificate; nil if this machine trusts it
	begins  time.Time // begin of the certificate's validity; zero without TLS
	ends    time.Time // end of the certificate's validity; zero without TLS
	address string
}

// ours reports whether the response comes from hmaproxy.
func (v *visitResult) ours() bool {
	return v.header.Get("X-Hmaproxy-Error") != "" || strings.HasPrefix(v.body, "hmaproxy:")
}

// exchange reports whether a client would treat the response as Exchange's.
func (v *visitResult) exchange() bool {
	return v.header.Get("X-SOAP-Enabled") != "" || v.header.Get("X-FEServer") != "" || v.status == http.StatusUnauthorized ||
		v.status == http.StatusOK && strings.Contains(v.header.Get("Content-Type"), "xml")
}

// client returns an HTTP client that accepts every certificate and follows no
// redirect. It records in v the server's address, when its certificate is valid,
// and why this machine does not trust the certificate.
func (w *walk) client(v *visitResult) *http.Client {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := w.options.Dial(ctx, network, address)
			if err == nil {
				v.address = c.RemoteAddr().String()
			}
			return c, err
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // the certificate is checked below, and no secret is sent
			VerifyConnection: func(s tls.ConnectionState) error {
				o := x509.VerifyOptions{Roots: w.options.Roots, DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
				for _, c := range s.PeerCertificates[1:] {
					o.Intermediates.AddCert(c)
				}
				_, v.chain = s.PeerCertificates[0].Verify(o)
				v.begins, v.ends = s.PeerCertificates[0].NotBefore, s.PeerCertificates[0].NotAfter
				return nil
			},
		},
	}
	return &http.Client{Transport: transport, Timeout: lookTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// send sends a request without credentials.
func (w *walk) send(ctx context.Context, method, target string, body []byte) (*visitResult, error) {
	v := &visitResult{}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	resp, err := w.client(v).Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	v.status, v.header, v.body = resp.StatusCode, resp.Header, string(text)
	return v, nil
}

// exists resolves a name as most programs on this machine do, from the hosts
// file and DNS.
func (w *walk) exists(ctx context.Context, host string) (addresses string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	list, err := w.options.Resolver.LookupHost(ctx, host)
	return strings.Join(list, ", "), err
}

// https sends a request to a location over TLS and evaluates the response.
func (w *walk) https(ctx context.Context, host, target string) Result {
	addresses, err := w.exists(ctx, host)
	if err != nil {
		return ok(host + " does not exist; clients go on")
	}
	v, err := w.send(ctx, http.MethodGet, target, nil)
	if err != nil {
		return ok(fmt.Sprintf("nothing responds by https at %s (%s); clients go on", host, addresses))
	}
	if v.ours() {
		return w.own(v, host, target)
	}
	where := fmt.Sprintf("%s (%s) responded with %d", host, v.address, v.status)
	switch {
	case v.chain != nil:
		return ok(where + " and a certificate that this machine does not trust; clients go on")
	case 300 <= v.status && v.status < 400:
		return w.leadsRound(where + " and a redirect to " + location(v) + ", which clients follow")
	case v.exchange():
		return w.leadsRound(where + ", as Exchange does")
	}
	return ok(where + ", which is not Exchange; clients go on")
}

// The method "own" evaluates a response that comes from hmaproxy.
func (w *walk) own(v *visitResult, host, target string) Result {
	where := fmt.Sprintf("hmaproxy responds at %s", v.address)
	names := "HMA_HOST_NAMES=" + host + "     # in addition to the names that are there"
	var wrongName x509.HostnameError
	switch reason := v.header.Get("X-Hmaproxy-Error"); {
	case reason == "host":
		return Result{Status: Failed, Detail: where + " and refuses the name " + host, Cause: "the name is not in HMA_HOST_NAMES", Repair: []string{names}}
	case reason == "path":
		return Result{Status: Failed, Detail: where + " and does not serve Autodiscover", Cause: "HMA_AUTODISCOVER is not set", Repair: []string{"HMA_AUTODISCOVER=auto"}}
	case errors.As(v.chain, &wrongName):
		return Result{Status: Failed, Detail: where + " with a certificate that is not for " + host, Cause: "clients refuse the connection",
			Repair: []string{"hmaproxy tls-setup " + w.certificateNames(host), "or add the certificate for the name to HMA_TLS_CERT_FILE, after a comma"}}
	case expired(v.chain):
		return Result{Status: Failed, Detail: where + " with a certificate that is not valid at this machine's time: " + v.validity(time.Now()), Cause: "clients refuse the connection",
			Repair: []string{"make another one with hmaproxy tls-setup -dir DIR " + w.certificateNames(host) + ", put it into HMA_TLS_CERT_FILE and HMA_TLS_KEY_FILE, and run the commands that it prints"}}
	case v.chain != nil:
		return Result{Status: Failed, Detail: where + " with a certificate that this machine does not trust", Cause: "the authority that has signed it is not in the trust store of the system; clients with a store of their own (Java, Python) may trust it all the same",
			Repair: []string{"the commands that hmaproxy tls-setup has printed, for the system and for the client"}}
	}
	if w.found == "" {
		w.found = target
	}
	r := ok(where, "exchangelib asks DNS and does not read the hosts file")
	if now := time.Now(); v.ends.Sub(now) < health.CertificateWarning {
		r.Warnings = append(r.Warnings, "its certificate ends "+reltime.Until(now, v.ends)+": clients will refuse to connect")
	}
	return r
}

// certificateNames returns the names for a certificate of hmaproxy, as arguments
// of the command tls-setup. host is the name at which hmaproxy responded.
func (w *walk) certificateNames(host string) string {
	names := "autodiscover." + w.domain + " " + w.domain
	if host != w.domain && host != "autodiscover."+w.domain {
		names = host + " " + names
	}
	return names
}

// validity says since when the certificate is not valid, or when it becomes
// valid. Call it only if the certificate is not valid at the time now.
func (v *visitResult) validity(now time.Time) string {
	if now.Before(v.begins) {
		return "it begins " + reltime.Until(now, v.begins)
	}
	return "it ended " + reltime.Until(now, v.ends)
}

// leadsRound returns the result for a location at which clients get the
// response of another server.
func (w *walk) leadsRound(detail string) Result {
	if w.found != "" {
		return Result{Status: OK, Detail: detail, Warnings: []string{"software that asks here before it asks where hmaproxy responds bypasses hmaproxy"}}
	}
	if w.elsewhere {
		return Result{Status: Failed, Detail: detail, Cause: "as above", Repair: nil}
	}
	w.elsewhere = true
	return Result{Status: Failed, Detail: detail, Cause: "this is the first location that leads to another server: clients ask here before they find hmaproxy",
		Repair: []string{"let the name lead to hmaproxy on this machine, by the hosts file or by a DNS that it alone asks"}}
}

func location(v *visitResult) string {
	u, err := url.Parse(v.header.Get("Location"))
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Host
}

// The method "plain" sends a request without TLS to a location at which clients
// expect a redirect.
func (w *walk) plain(ctx context.Context, host string) Result {
	if _, err := w.exists(ctx, host); err != nil {
		return ok(host + " does not exist; clients go on")
	}
	v, err := w.send(ctx, http.MethodGet, "http://"+host+"/autodiscover/autodiscover.xml", nil)
	switch {
	case err != nil:
		return ok("nothing responds; clients go on")
	case 300 <= v.status && v.status < 400 && !v.ours():
		return w.leadsRound(fmt.Sprintf("%s responded with a redirect to %s", v.address, location(v)))
	}
	return ok(fmt.Sprintf("no redirect (%d); clients go on", v.status))
}

// srv looks up the SRV records of Autodiscover and reports where the first
// record leads.
func (w *walk) srv(ctx context.Context) Result {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, records, err := w.options.Resolver.LookupSRV(ctx, "autodiscover", "tcp", w.domain)
	if err != nil || len(records) == 0 {
		return ok("there is no such record")
	}
	host := strings.ToLower(strings.TrimSuffix(records[0].Target, "."))
	authority := host
	if port := records[0].Port; port != 443 {
		authority = net.JoinHostPort(host, fmt.Sprint(port))
	}
	target := "https://" + authority + "/autodiscover/autodiscover.xml"
	if v, err := w.send(ctx, http.MethodGet, target, nil); err == nil && v.ours() {
		return w.own(v, host, target)
	}
	return w.leadsRound("it names " + host)
}

// mailbox requests the URL for the mailbox, and checks where the URL leads.
func (w *walk) mailbox(ctx context.Context) Result {
	question := `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>` +
		`<EMailAddress>` + escapeText(w.options.Mailbox) + `</EMailAddress>` +
		`<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	v, err := w.send(ctx, http.MethodPost, w.found, []byte(question))
	if err != nil {
		return Result{Status: Failed, Detail: "hmaproxy did not respond to a request for the mailbox", Cause: "it ends, or is overloaded", Repair: []string{"look at its log"}}
	}
	if v.status == http.StatusUnauthorized {
		return ok("hmaproxy asks for the credentials of a client user; the mailbox was not asked for")
	}
	var response struct {
		URL   string `xml:"Response>Account>Protocol>EwsUrl"`
		Error string `xml:"Response>Error>ErrorCode"`
	}
	if err := xml.Unmarshal([]byte(v.body), &response); err != nil || response.URL == "" {
		if response.Error == "500" {
			return Result{Status: Failed, Detail: "hmaproxy does not find the mailbox", Cause: "it is not on the allow-list; for clients it does not exist",
				Repair: []string{"HMA_ALLOWED_MAILBOXES=" + w.options.Mailbox + "     # in addition to the mailboxes that are there"}}
		}
		return Result{Status: Failed, Detail: fmt.Sprintf("hmaproxy responded with %d and no URL", v.status), Cause: "it does not serve Autodiscover", Repair: []string{"look at its log: operation Autodiscover:POX"}}
	}
	end, err := w.send(ctx, http.MethodGet, response.URL, nil)
	switch {
	case err != nil:
		return Result{Status: Failed, Detail: "clients get " + response.URL + ", where nothing responds", Cause: "the URL in HMA_AUTODISCOVER does not lead to hmaproxy", Repair: []string{"HMA_AUTODISCOVER=auto"}}
	case !end.ours():
		return Result{Status: Failed, Detail: "clients get " + response.URL + ", which leads to another server (" + end.address + ")", Cause: "the URL in HMA_AUTODISCOVER does not lead to hmaproxy", Repair: []string{"HMA_AUTODISCOVER=auto"}}
	case end.chain != nil:
		return Result{Status: Failed, Detail: "clients get " + response.URL + ", whose certificate this machine does not trust for that name", Cause: "clients refuse the connection", Repair: []string{"HMA_AUTODISCOVER=auto"}}
	}
	return ok("clients get " + response.URL + ", which leads to hmaproxy")
}

// cache reports a file in which exchangelib has cached results. It reports
// nothing if there is no such file.
func (w *walk) cache() {
	if w.options.Temp == "" {
		return
	}
	files, _ := filepath.Glob(filepath.Join(w.options.Temp, "exchangelib.*.cache.*"))
	if len(files) == 0 {
		return
	}
	w.report("cache", "what exchangelib has kept", Result{Status: OK, Detail: files[0], Warnings: []string{
		"exchangelib keeps in this file where it has found Exchange, and asks there first: remove " + filepath.Join(w.options.Temp, "exchangelib.*.cache.*") + " after names were changed"}})
}

func escapeText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
