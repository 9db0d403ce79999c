package emulator

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxContent is the size of a request that IIS and the binding allow.
const maxContent = 64 << 20

// exchangeAppID is the identifier of "Office 365 Exchange Online" in every
// tenant, under which Exchange Server is registered too.
const exchangeAppID = "00000002-0000-0ff1-ce00-000000000000"

// Exchange is a mail server with two back ends behind one front end.
type Exchange struct {
	Service

	mu             sync.Mutex
	mailboxes      []*mailbox
	subscriptions  map[string]*subscription
	groups         map[string][]string // members, by address in lower case
	executed       map[string]int      // by operation
	grants         map[[2]string]bool
	revoked        map[string]bool
	revokedUpTo    int // tokens issued before
	trusted        int // of Entra's signing keys; 0 until the first request
	strictAffinity bool
	turn           int // of the back end, with strict affinity
	attachmentSize int64
	keptContent    int
	changes        int
	documents      map[string]string
	news           chan struct{} // closed by the next event, or nil
}

func newExchange(e *Emulator) *Exchange {
	x := &Exchange{
		subscriptions:  map[string]*subscription{},
		groups:         map[string][]string{},
		executed:       map[string]int{},
		grants:         map[[2]string]bool{},
		revoked:        map[string]bool{},
		documents:      map[string]string{},
		attachmentSize: 1 << 10,
	}
	x.name, x.public, x.nameURL = "exchange", e.config.ExchangeURL, "https://mail.contoso.com"
	x.emulator, x.respond = e, x.serve
	for _, address := range e.config.Mailboxes {
		x.AddMailbox(Mailbox{Primary: address})
	}
	return x
}

// Executed returns how often an operation ran, by the local name of the Body's
// element. This is also the number of its side effects.
func (x *Exchange) Executed(operation string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.executed[operation]
}

// Permit gives the user of one mailbox full access to another, by primary
// addresses. Without it Exchange denies access to the other mailbox's folders.
func (x *Exchange) Permit(user, owner string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.grants[[2]string{strings.ToLower(user), strings.ToLower(owner)}] = true
}

// SetStrictAffinity routes requests without an X-BackEndOverrideCookie to the back
// ends in turn, instead of by the anchor mailbox.
func (x *Exchange) SetStrictAffinity(on bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.strictAffinity = on
}

// SetAttachmentSize sets the size of every attachment that GetAttachment
// returns, in bytes of base64.
func (x *Exchange) SetAttachmentSize(n int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.attachmentSize = n
}

// KeepContent makes Exchange store base64 text of up to n bytes, such as
// attachments. The default is 1 MiB and the maximum 8 MiB. Of longer text it stores
// only the size.
func (x *Exchange) KeepContent(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.keptContent = min(n, keptText)
}

func (x *Exchange) longestText() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(x.keptContent, trimTextRun)
}

func (x *Exchange) domain() string {
	if list := x.emulator.config.Mailboxes; len(list) > 0 {
		_, domain, _ := strings.Cut(list[0], "@")
		return domain
	}
	return "contoso.com"
}

// serve checks the token and then routes by path, in any letter case, as IIS does.
func (x *Exchange) serve(w http.ResponseWriter, r *http.Request, rec *record) {
	requestID := newGUID()
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
func (x *Exchange) soap(w http.ResponseWriter, r *http.Request, rec *record) {
	switch {
	case !textXML(r):
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	case r.ContentLength > maxContent:
		w.WriteHeader(http.StatusNotFound) // 404.13 in IIS's log
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxContent)
	env := newEnvelope(r.Body)
	env.raw.longest = x.longestText()
	head, err := env.readHead()
	rec.note(func(h *Hop) { h.MailboxSeen, h.Mailbox = head.seen, head.identity.value })
	if err != nil {
		x.unreadable(w, r, err)
		return
	}
	c := &call{x: x, r: r, head: head}
	user, f := x.impersonated(head)
	c.user = user
	x.route(w, c)
	rec.note(func(h *Hop) { h.BackEnd = c.backEnd })
	c.op, err = env.readOperation()
	if err != nil {
		x.unreadable(w, r, err)
		return
	}
	rec.note(func(h *Hop) { h.Operation = c.op.name.Local })
	respond := c.run(f, rec)
	sum := env.finish()
	rec.note(func(h *Hop) { h.BodySHA256, h.Trailer = sum, r.Trailer.Clone() })
	respond(w)
}

// unreadable responds to a malformed document. It writes nothing if reading failed
// because the connection broke.
func (x *Exchange) unreadable(w http.ResponseWriter, r *http.Request, err error) {
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
	c.backEnd = x.backEndFor(anchor)
	override, err := c.r.Cookie("X-BackEndOverrideCookie")
	affine := strings.EqualFold(c.r.Header.Get("X-PreferServerAffinity"), "true")
	if err == nil && affine {
		if name, _, _ := strings.Cut(override.Value, "."); name == "EX01" || name == "EX02" {
			c.backEnd = name
		}
	}
	c.offerAffinity = affine && err != nil
	h := w.Header()
	h.Set("X-CalculatedBETarget", strings.ToLower(c.backEnd)+"."+x.domain())
	h.Set("X-DiagInfo", c.backEnd)
	if _, err := c.r.Cookie("exchangecookie"); err != nil {
		h.Add("Set-Cookie", "exchangecookie="+randomHex(16)+"; path=/; HttpOnly")
	}
	expires := x.now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)
	h.Add("Set-Cookie", fmt.Sprintf("X-BackEndCookie=%s=%s; expires=%s; path=/EWS; secure; HttpOnly", anchor, randomHex(12), expires))
}

// backEndFor assigns mailboxes to the back ends by their position, and unknown
// addresses by hash.
func (x *Exchange) backEndFor(anchor string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	names := [2]string{"EX01", "EX02"}
	if x.strictAffinity {
		x.turn++
		return names[x.turn%2]
	}
	for i, m := range x.mailboxes {
		if strings.EqualFold(m.Primary, anchor) {
			return names[i%2]
		}
	}
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(anchor)))
	return names[h.Sum32()%2]
}
