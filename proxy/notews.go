package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/ascii"
	"hmaproxy/internal/retryafter"
	"hmaproxy/proxy/ews"
)

// notEWS checks the head of a response to a POST. It returns a problem if the
// response does not come from EWS but, for example, is the sign-in page of a device
// in front of Exchange. It returns nil if the response may come from EWS: its media
// type is text/xml, and it may have a body. The text of the problem never contains
// the access token, which is the parameter token.
func notEWS(resp *http.Response, token string) *problem {
	types := resp.Header["Content-Type"]
	other := func(contentType string) bool { return !isXML(contentType) }
	if len(types) > 0 && !slices.ContainsFunc(types, other) && resp.ContentLength != 0 {
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

// notEWSCode returns the response code for a status. With this code, clients do
// not treat the request as processed, and do not repeat it without a pause.
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
	if strings.Contains(contentType, "html") || isXML(contentType) {
		quote("title", title(resp))
	}
	if location, err := url.Parse(value(resp.Header, "Location")); err == nil {
		quote("Location of", location.Host)
	}
	if isXML(contentType) {
		b.WriteString(", no SOAP document")
	}
	return b.String()
}

// loggableText returns at most hintText bytes of s, as printable ASCII with
// blanks for white space. It returns "" if s contains the token.
func loggableText(s, token string) string {
	if token != "" && strings.Contains(s, token) {
		return ""
	}
	s = printableASCII(strings.Join(strings.Fields(s), " "), hintText)
	return strings.ReplaceAll(s, `"`, "'")
}

// title returns the title of an HTML page. It reads only the beginning of the
// page, for at most discardTime.
func title(resp *http.Response) string {
	late := time.AfterFunc(discardTime, func() { resp.Body.Close() })
	defer late.Stop()
	page := string(inflated(resp.Header, io.LimitReader(resp.Body, hintRead), inflatedRead))
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

// inflated reads a body, which may be compressed. It returns what can be read, at
// most limit bytes.
func inflated(header http.Header, body io.Reader, limit int64) []byte {
	if ascii.EqualFold(value(header, "Content-Encoding"), "gzip") {
		z := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(z)
		if z.Reset(body) != nil {
			return nil
		}
		body = z
	}
	data, _ := io.ReadAll(io.LimitReader(body, limit))
	return data
}

// gzipReaders are reused because each has a window of 32 KiB.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// A start is the kind of a response to a POST, as far as its first bytes show
// it.
type start int

const (
	startUnknown start = iota // more bytes are needed
	startSOAP                 // a SOAP document, or one whose encoding or compression is not read here
	startPage                 // HTML or JSON
	startOther                // another document or text
)

// ewsWith reports whether a response with the status can come from EWS. EWS
// sends a SOAP document. With status 200, ewsWith also accepts other documents
// and texts, because some programs that imitate EWS send them. It does not
// accept pages of devices.
func (s start) ewsWith(status int) bool {
	return s == startSOAP || s == startOther && status == http.StatusOK
}

// startOf returns the kind of a response whose body begins with first. Some
// devices give their pages the media type of the request. Such pages must not
// be relayed, because DavMail reports a message as stored if the response
// contains no error that it knows.
func startOf(header http.Header, first []byte) start {
	switch encoding := value(header, "Content-Encoding"); {
	case encoding == "" || ascii.EqualFold(encoding, "identity"):
		return textStart(first)
	case !ascii.EqualFold(encoding, "gzip"):
		return startSOAP
	}
	text := inflated(header, bytes.NewReader(first), rootRead)
	if len(text) == 0 {
		return startSOAP
	}
	start := textStart(text)
	if start == startUnknown { // for example because of a long comment before the root element
		start = textStart(inflated(header, bytes.NewReader(first), inflatedRead))
	}
	return start
}

// textStart returns the kind of a response whose uncompressed body begins with
// first.
func textStart(first []byte) start {
	if bytes.IndexByte(first[:min(len(first), 4)], 0) >= 0 || bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff")) {
		return startSOAP // UTF-16 is not read here, so the response counts as SOAP
	}
	rest := bytes.TrimPrefix(first, []byte("\ufeff"))
	for {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		var end string
		switch {
		case bytes.HasPrefix(rest, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(rest, []byte("<!--")):
			end = "-->"
		case len(rest) < len("<!--") && strings.HasPrefix("<!--", string(rest)), string(rest) == "\xef", string(rest) == "\xef\xbb":
			return startUnknown
		default:
			return rootStart(rest)
		}
		_, after, found := bytes.Cut(rest, []byte(end))
		if !found {
			return startUnknown
		}
		rest = after
	}
}

// rootStart determines the kind of a response. text is the body without the white
// space, comments and processing instructions before the root element. The body may
// be something other than XML, such as JSON.
func rootStart(text []byte) start {
	name, tag := bytes.CutPrefix(text, []byte("<"))
	if !tag {
		if text[0] == '{' || text[0] == '[' {
			return startPage
		}
		return startOther
	}
	end := bytes.IndexAny(name, " \t\r\n/>")
	if end < 0 {
		return startUnknown
	}
	name = name[:end]
	switch local := string(name[bytes.IndexByte(name, ':')+1:]); {
	case local == "Envelope":
		return startSOAP
	case slices.Contains(pageElements, ascii.ToLower(local)):
		return startPage
	}
	return startOther
}

// pageElements are the names, in lower case, of elements that can begin an HTML
// page.
var pageElements = []string{"!doctype", "html", "head", "title", "meta", "script", "body"}
