package proxy

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hmaproxy/internal/retryafter"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/ascii"
)

// notEWS returns the problem of a response to a POST that does not come from
// EWS, such as the sign-in page of a device in front of Exchange. It returns
// nil for an EWS response, which is text/xml and has a body. The problem does
// not contain token.
func notEWS(resp *http.Response, token string) *problem {
	if isXML(value(resp.Header, "Content-Type")) && (resp.ContentLength != 0 || resp.StatusCode != http.StatusOK) {
		return nil
	}
	return notEWSProblem(resp, token)
}

func notEWSProblem(resp *http.Response, token string) *problem {
	p := failed(notEWSCode(resp.StatusCode), ReasonUpstreamNotEWS, nil)
	p.hint = hint(resp, token)
	if p.code == codeBusy {
		p.wait = retryafter.Parse(value(resp.Header, "Retry-After"), time.Now(), maxBackOff)
	}
	return p
}

// isXML reports whether the media type is text/xml.
func isXML(contentType string) bool {
	rest, ok := ascii.CutPrefixFold(contentType, "text/xml")
	rest = strings.TrimLeft(rest, " \t")
	return ok && (rest == "" || rest[0] == ';')
}

// notEWSCode returns the response code for a status. With it, clients neither
// treat a request as processed nor repeat it without pause.
func notEWSCode(status int) ews.ResponseCode {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return ews.ErrorMessageSizeExceeded
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return ews.ErrorInternalServerError
	}
	return codeBusy
}

// hint describes a response in a short text that is safe to log: its status,
// media type, Server, the title of a page, and the host of Location.
func hint(resp *http.Response, token string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "status %d", resp.StatusCode)
	quote := func(what, text string) {
		if text = loggableText(text, token); text != "" {
			fmt.Fprintf(&b, `, %s "%s"`, what, text)
		}
	}
	contentType := value(resp.Header, "Content-Type")
	quote("type", contentType)
	quote("Server", value(resp.Header, "Server"))
	if strings.Contains(contentType, "html") {
		quote("title", title(resp))
	}
	if location, err := url.Parse(value(resp.Header, "Location")); err == nil {
		quote("Location of", location.Host)
	}
	if isXML(contentType) {
		b.WriteString(", an empty body")
	}
	return b.String()
}

// loggableText returns at most hintText bytes of printable ASCII. It replaces
// white space by blanks and removes the token.
func loggableText(s, token string) string {
	if token != "" && strings.Contains(s, token) {
		return ""
	}
	s = printable(strings.Join(strings.Fields(s), " "), hintText)
	return strings.ReplaceAll(s, `"`, "'")
}

// title returns the title of an HTML page. It reads no more than the beginning
// of the page and waits for that at most discardTime.
func title(resp *http.Response) string {
	late := time.AfterFunc(discardTime, func() { resp.Body.Close() })
	defer late.Stop()
	page := string(inflated(resp.Header, io.LimitReader(resp.Body, hintRead)))
	lower := ascii.ToLower(page)
	at := strings.Index(lower, "<title")
	if at < 0 {
		return ""
	}
	from := strings.IndexByte(lower[at:], '>')
	if from < 0 {
		return ""
	}
	text := page[at+from+1:]
	if end := strings.IndexByte(text, '<'); end >= 0 {
		text = text[:end]
	}
	return text
}

// inflated reads at most inflatedRead bytes of a body, which may be compressed.
// It returns what can be read.
func inflated(header http.Header, body io.Reader) []byte {
	if ascii.EqualFold(value(header, "Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil
		}
		body = z
	}
	data, _ := io.ReadAll(io.LimitReader(body, inflatedRead))
	return data
}
