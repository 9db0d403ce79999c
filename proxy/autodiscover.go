package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/autodiscover"
	"hmaproxy/proxy/internal/body"
	"hmaproxy/proxy/policy"
)

// Autodiscover configures the responses to Autodiscover requests. A response
// contains the proxy's EWS URL for each requested mailbox that the policy
// allows this client to use. No request is sent to Exchange.
type Autodiscover struct {
	// URL is the EWS URL that clients get:
	// "https://ews-proxy.contoso.com/EWS/Exchange.asmx". nil: a URL with the
	// Host of the client's request, and https if the request came over TLS.
	URL *url.URL
}

// ewsURL returns the EWS URL for a client. The Host header of r must have been
// checked, because the URL may contain it.
func (a *Autodiscover) ewsURL(r *http.Request) string {
	if a.URL != nil {
		return a.URL.String()
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + endpointPath
}

// beginAutodiscover prepares the response to an Autodiscover request that has
// passed the checks. It is called even if the request is refused later. It sets
// the header X-SOAP-Enabled. This header makes the EWS Managed API, and clients
// derived from it, POST SOAP requests, whatever the status of the response is.
func (c *call) beginAutodiscover(form autodiscover.Form) {
	describeForm(&c.record, form)
	header := c.respond.w.Header()
	header["X-SOAP-Enabled"] = []string{"True"}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
}

// describeForm records form as the operation of the request.
func describeForm(record *Record, form autodiscover.Form) {
	record.Operation = autodiscoverPrefix + form.String()
	record.Known = record.Operation
}

// serveAutodiscover responds to a request at a path of Autodiscover.
func (c *call) serveAutodiscover(form autodiscover.Form, client clientUser) {
	c.inspection.client = client
	switch {
	case form == autodiscover.JSON:
		c.serveJSON()
	case c.r.Method == http.MethodPost:
		c.serveXML(form)
	default:
		c.serveProbe()
	}
}

// serveProbe responds to a request without content. Clients send such requests
// to get the headers that beginAutodiscover sets.
func (c *call) serveProbe() {
	c.respond.problem(&problem{form: plainText, status: http.StatusOK, text: "hmaproxy: POST Autodiscover requests to this path"})
}

// serveXML responds to a SOAP or POX request. The root element of the document
// says which of the two forms the request has. If the document cannot be read or
// its root element is not known, the response has the form that belongs to the
// path, which is the parameter form.
func (c *call) serveXML(form autodiscover.Form) {
	doc, problem := c.readDocument()
	if problem != nil {
		c.respond.problem(problem)
		return
	}
	if form == autodiscover.POX && len(doc) == 0 { // ews-java-api probes with an empty POST
		c.serveProbe()
		return
	}
	request, err := parseAutodiscover(c.r.Header, doc)
	if request.Form != autodiscover.NoForm {
		form = request.Form
		describeForm(&c.record, form)
	}
	if err != nil {
		c.refuseXML(form, err)
		return
	}
	results, refused := c.decideMailboxes(request.Mailboxes)
	ewsURL := c.h.config.Autodiscover.ewsURL(c.r)
	text := ""
	if form == autodiscover.SOAP {
		text = autodiscover.WriteSOAP(request.Settings, results, ewsURL)
	} else {
		text = autodiscover.WritePOX(results[0], ewsURL, c.record.Start)
	}
	c.respond.document(http.StatusOK, soapContentType, text, refused)
}

// readDocument reads the body up to the maximum length of a document. It
// returns a problem in four cases. The body is incomplete, there is no memory
// for it, the connection has lost its slot, or the body is empty and the request
// is part of an NTLM handshake.
func (c *call) readDocument() ([]byte, *problem) {
	err := c.buffer.Fill(&c.body, c.r.ContentLength, c.h.budget, new(documentLength))
	switch {
	case errors.Is(err, body.ErrClient):
		return nil, failed(codeTransient, ReasonBody, nil)
	case errors.Is(err, body.ErrFull):
		return nil, noRoom(err)
	case c.body.Ended() && c.body.N() == 0: // an NTLM request may have an empty chunked body; ServeHTTP responds to one with Content-Length 0
		if step := ntlmStep(c.r.Header); step != nil {
			return nil, step
		}
	}
	return c.buffer.Bytes(), nil // an error about the length is ignored: the parser refuses a document that is too long
}

// A documentLength ends the reading of a body that exceeds the maximum length
// of a document; see body.Inspector.
type documentLength int

var errDocumentLength = errors.New("the document is too long")

func (n *documentLength) Inspect(p []byte) error {
	if *n += documentLength(len(p)); *n > autodiscover.MaxDocument {
		return errDocumentLength
	}
	return nil
}

func (n *documentLength) Finish() error          { return nil }
func (n *documentLength) Refuse(err error) error { return err }
func (n *documentLength) HeadKnown() bool        { return false }
func (n *documentLength) Forwardable() int64     { return 0 }

// parseAutodiscover checks the media type and parses the document.
func parseAutodiscover(header http.Header, doc []byte) (autodiscover.Request, error) {
	refusal, unreadable := checkMediaType(header)
	if refusal := cmp.Or(refusal, unreadable); refusal != nil {
		return autodiscover.Request{}, &autodiscover.Violation{Reason: refusal.Detail}
	}
	return autodiscover.Parse(doc)
}

// refuseXML responds to a SOAP or POX request that is refused because of err.
func (c *call) refuseXML(form autodiscover.Form, err error) {
	reason := policy.EnvelopeRefused
	if err == autodiscover.ErrOperation || err == autodiscover.ErrSchema {
		reason = policy.OperationNotAllowed
	}
	p := refused(&policy.Refusal{Reason: reason, Detail: err.Error()})
	if form == autodiscover.POX {
		c.respond.document(http.StatusOK, soapContentType, autodiscover.WritePOXError(err, explain(&c.record, p), c.record.Start), p)
		return
	}
	c.respond.problem(p)
}

// explain returns the text that explains a problem to the client.
func explain(record *Record, p *problem) string {
	return "hmaproxy: " + p.reason.String() + ": " + p.detail + "; request " + record.ID
}

// serveJSON responds to a JSON request.
func (c *call) serveJSON() {
	const contentType = "application/json; charset=utf-8"
	request, err := autodiscover.ParseJSON(c.r.RequestURI)
	if err != nil {
		p := refused(&policy.Refusal{Reason: policy.EnvelopeRefused, Detail: err.Error()})
		c.respond.document(http.StatusBadRequest, contentType, autodiscover.WriteJSONError(err, explain(&c.record, p)), p)
		return
	}
	results, refused := c.decideMailboxes(request.Mailboxes)
	if why := results[0].Refusal; why != "" {
		c.respond.document(http.StatusNotFound, contentType, autodiscover.WriteJSONError(nil, why), refused)
		return
	}
	c.respond.document(http.StatusOK, contentType, autodiscover.WriteJSON(c.h.config.Autodiscover.ewsURL(c.r)), nil)
}

// probeMailbox is the address in exchangelib's first request, which asks only for
// the authentication scheme. RFC 2606 reserves the address's domain.
const probeMailbox = "DUMMY@example.com"

// decideMailboxes decides about each mailbox of a request. It records one
// mailbox: the first refused mailbox, or the first mailbox of the request if
// none is refused. The problem says why mailboxes are refused. It is nil if no
// mailbox is refused. The result for probeMailbox has a text in Refusal, but
// probeMailbox does not count as refused.
func (c *call) decideMailboxes(addresses []string) ([]autodiscover.Result, *problem) {
	results := make([]autodiscover.Result, 0, len(addresses))
	var first *problem
	n := 0
	c.record.Mailbox = addresses[0]
	for _, address := range addresses {
		if address == probeMailbox {
			results = append(results, autodiscover.Result{Refusal: "hmaproxy: this address is reserved for tests"})
			continue
		}
		c.record.Named = ews.SmtpAddress
		listed, refusal := c.decideMailbox(address)
		if refusal == nil {
			results = append(results, autodiscover.Result{Address: listed})
			continue
		}
		p := refused(refusal)
		results = append(results, autodiscover.Result{Refusal: explain(&c.record, p)})
		if n++; first == nil {
			first, c.record.Mailbox = p, address
		}
	}
	if n > 1 {
		first.hint = fmt.Sprintf("%d of %d mailboxes", n, len(addresses))
	}
	return results, first
}

// decideMailbox decides about one mailbox and returns the address for the
// response. Even in audit mode it refuses a name that is not an address.
func (c *call) decideMailbox(address string) (string, *policy.Refusal) {
	listed, refusal := c.inspection.client.policy.DecideMailbox(address)
	if refusal == nil {
		return listed, nil
	}
	if _, err := policy.ParseAddress(address); err != nil || !c.inspection.audit(refusal) {
		return "", refusal
	}
	return address, nil
}
