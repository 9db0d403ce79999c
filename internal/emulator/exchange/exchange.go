// Package exchange imitates Exchange Web Services: the check of access tokens, the
// operations that clients of mailboxes need most, and the mailboxes.
package exchange

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"hmaproxy/internal/emulator/service"
)

// maxContent is the size in bytes of the longest request body that IIS and
// Exchange's WCF binding allow.
const maxContent = 64 << 20

// A Config describes the organisation. No field has a default.
type Config struct {
	TenantID  string
	Domain    string
	Issuer    Issuer
	Mailboxes []string // primary SMTP addresses
}

// Exchange is a mail server with two back ends behind one front end.
type Exchange struct {
	*service.Service
	*Store
	*Tokens
	*FrontEnd
	*Documents
	*Limits

	config Config
	life   *service.Lifetime // ends streaming responses
}

// New returns a mail server with empty mailboxes. It opens no listener.
func New(c Config, s service.Config) *Exchange {
	x := &Exchange{config: c, life: s.Lifetime, FrontEnd: new(FrontEnd), Documents: new(Documents), Limits: &Limits{attachmentSize: 1 << 10}}
	s.Name, s.DefaultURL, s.Respond = "exchange", "https://mail.contoso.com", x.serve
	x.Service = service.New(s)
	x.Store = newStore(x.Service.Now)
	x.Tokens = &Tokens{issuer: c.Issuer, tenantID: c.TenantID, now: x.Service.Now, revoked: map[string]bool{}}
	for _, address := range c.Mailboxes {
		x.AddMailbox(Mailbox{Primary: address})
	}
	return x
}

// serve checks the token and then routes by path, in any letter case, as IIS does.
func (x *Exchange) serve(w http.ResponseWriter, r *http.Request, rec *service.Record) {
	requestID := service.NewGUID()
	h := w.Header()
	h.Set("Server", "Microsoft-IIS/10.0")
	h.Set("request-id", requestID)
	h.Set("X-FEServer", "EX01")
	h.Set("X-Powered-By", "ASP.NET")
	h.Set("Cache-Control", "private")
	if id := r.Header.Get("client-request-id"); id != "" && strings.EqualFold(r.Header.Get("return-client-request-id"), "true") {
		h.Set("client-request-id", id)
	}
	if d := x.authenticate(r); d != nil {
		x.challenge(w, r, d)
		return
	}
	switch path := strings.ToLower(r.URL.Path); {
	case path == "/ews/exchange.asmx" && r.Method == http.MethodPost:
		x.soap(w, r, rec)
	case path == "/ews/exchange.asmx" && strings.EqualFold(r.URL.RawQuery, "wsdl") && r.Method == http.MethodGet:
		x.document(w, "services.wsdl")
	case path == "/ews/exchange.asmx" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		http.Redirect(w, r, "/EWS/Services.wsdl", http.StatusFound)
	case strings.HasPrefix(path, "/ews/") && r.Method == http.MethodGet:
		x.document(w, strings.TrimPrefix(path, "/ews/"))
	default:
		http.NotFound(w, r)
	}
}

// soap reads an envelope, runs its operation and writes the response. The operation
// runs as soon as its element has ended, so an error later in the document does not
// prevent it.
func (x *Exchange) soap(w http.ResponseWriter, r *http.Request, rec *service.Record) {
	switch {
	case !textXML(r):
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case r.ContentLength > maxContent:
		w.WriteHeader(http.StatusNotFound) // IIS logs this case as 404.13
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxContent)
	env := newEnvelope(r.Body)
	env.raw.longest = x.longestText()
	head, err := env.readHead()
	rec.Note(func(h *service.Hop) { h.MailboxSeen, h.Mailbox = head.seen, head.identity.value })
	if err != nil {
		unreadable(w, r, err)
		return
	}
	c := &call{x: x, store: x.Store, r: r}
	user, f := x.impersonated(head)
	c.user = user
	x.route(w, c)
	rec.Note(func(h *service.Hop) { h.BackEnd = c.backEnd })
	c.op, err = env.readOperation()
	if err != nil {
		unreadable(w, r, err)
		return
	}
	rec.Note(func(h *service.Hop) { h.Operation = c.op.name.Local })
	respond := c.run(f, rec)
	sum := env.finish()
	rec.Note(func(h *service.Hop) { h.BodySHA256, h.Trailer = sum, r.Trailer.Clone() })
	respond(w)
}

// unreadable responds to a malformed document. It writes nothing if reading
// failed because the connection failed.
func unreadable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	if f, ok := err.(*fault); ok {
		f.write(w)
		return
	}
	if _, ok := err.(*http.MaxBytesError); ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	(&fault{code: "ErrorSchemaValidation", text: "The request failed schema validation: " + err.Error()}).write(w)
}

// textXML reports whether the request is uncompressed SOAP 1.1 in UTF-8, the only
// form that Exchange's binding accepts.
func textXML(r *http.Request) bool {
	media, params, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	charset := strings.Trim(strings.TrimPrefix(strings.TrimSpace(params), "charset="), `"`)
	return strings.TrimSpace(media) == "text/xml" && (charset == "" || charset == "utf-8") && r.Header.Get("Content-Encoding") == ""
}

// route chooses the back end and sets the cookies of the front end.
func (x *Exchange) route(w http.ResponseWriter, c *call) {
	anchor := c.r.Header.Get("X-AnchorMailbox")
	if c.user != nil && anchor == "" {
		anchor = c.user.Primary
	}
	c.backEnd = x.backEndFor(anchor, x.Mailboxes())
	override, err := c.r.Cookie("X-BackEndOverrideCookie")
	affine := strings.EqualFold(c.r.Header.Get("X-PreferServerAffinity"), "true")
	if err == nil && affine {
		if name, _, _ := strings.Cut(override.Value, "."); name == "EX01" || name == "EX02" {
			c.backEnd = name
		}
	}
	c.offerAffinity = affine && err != nil
	h := w.Header()
	h.Set("X-CalculatedBETarget", strings.ToLower(c.backEnd)+"."+x.config.Domain)
	h.Set("X-DiagInfo", c.backEnd)
	if _, err := c.r.Cookie("exchangecookie"); err != nil {
		h.Add("Set-Cookie", "exchangecookie="+service.RandomHex(16)+"; path=/; HttpOnly")
	}
	expires := x.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)
	h.Add("Set-Cookie", fmt.Sprintf("X-BackEndCookie=%s=%s; expires=%s; path=/EWS; secure; HttpOnly", anchor, service.RandomHex(12), expires))
}
