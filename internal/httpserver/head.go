package httpserver

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"hmaproxy/internal/ascii"

	"golang.org/x/net/http/httpguts"
)

// A refusal is the error of an unacceptable request. The server responds with its
// status and text and closes the connection.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	return strconv.Itoa(r.status) + " " + http.StatusText(r.status) + ": " + r.text
}

func badRequest(text string) *refusal { return &refusal{http.StatusBadRequest, text} }

// The reasons for which a request is refused.
var (
	errLineEnd     = badRequest("a line does not end with CR LF")
	errFirstByte   = badRequest("the connection does not begin with an HTTP request")
	errRequestLine = badRequest("malformed request line")
	errTarget      = badRequest("malformed request target")
	errVersion     = &refusal{http.StatusHTTPVersionNotSupported, "HTTP/1 only"}
	errHeaderLine  = badRequest("malformed header line")
	errHeadSize    = &refusal{http.StatusRequestHeaderFieldsTooLarge, "the request's head is too large"}
	errHost        = badRequest("missing or malformed Host header")
	errLength      = badRequest("malformed Content-Length")
	errFraming     = badRequest("more than one Content-Length or Transfer-Encoding")
	errCoding      = &refusal{http.StatusNotImplemented, "the only Transfer-Encoding is chunked, in HTTP/1.1"}
	errTrailer     = badRequest("malformed Trailer header")
	errExpect      = &refusal{http.StatusExpectationFailed, "the only expectation is 100-continue"}
	errChunk       = badRequest("malformed chunk")
	errHeadTime    = &refusal{http.StatusRequestTimeout, "the request's head did not come in time"}
)

// A lineScanner finds the end of a head as its bytes arrive.
type lineScanner struct {
	scanned int // number of bytes that were scanned
	line    int // index of the beginning of the incomplete line
}

// scan scans the bytes that were added to b since the last call. It returns the
// length of the head with its empty line, or 0 when the head is incomplete.
func (s *lineScanner) scan(b []byte) (int, error) {
	for {
		n := indexLF(b[s.scanned:])
		if n < 0 {
			s.scanned = len(b)
			return 0, nil
		}
		end := s.scanned + n
		if end == s.line || b[end-1] != '\r' {
			return 0, errLineEnd
		}
		empty := end-1 == s.line
		s.scanned, s.line = end+1, end+1
		if empty {
			return end + 1, nil
		}
	}
}

// A head is the head of a request.
type head struct {
	method, target string
	proto          string
	minor          int // minor version of proto; 1 or more is treated as HTTP/1.1
	url            *url.URL
	host           string
	header         http.Header
	length         int64 // length of the body; -1: chunked
	trailer        http.Header
	expect         bool // the client waits for 100 Continue
	close          bool // the client does not keep the connection
	ambiguous      bool // other programs may determine a different end of the body
}

// parseHead parses a whole head, whose lines end with CR LF. Most strings in the
// result are parts of text.
func parseHead(text string) (*head, error) {
	line, rest := cutLine(text)
	h := &head{}
	if err := h.parseRequestLine(line); err != nil {
		return nil, err
	}
	if err := h.parseFields(rest); err != nil {
		return nil, err
	}
	if err := h.parseTarget(); err != nil {
		return nil, err
	}
	if err := h.parseFraming(); err != nil {
		return nil, err
	}
	return h, h.parseConnection()
}

// cutLine returns the first line of text without its end, and the rest.
func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\r\n")
	return line, rest
}

// parseRequestLine parses method, target and version, with one blank between
// them.
func (h *head) parseRequestLine(line string) error {
	method, rest, ok := strings.Cut(line, " ")
	target, version, also := strings.Cut(rest, " ")
	if !ok || !also || !httpguts.ValidHeaderFieldName(method) {
		return errRequestLine
	}
	var major int
	var isVersion bool
	switch major, h.minor, isVersion = http.ParseHTTPVersion(version); {
	case !isVersion:
		return errRequestLine
	case major != 1:
		return errVersion
	}
	h.proto = knownVersion(version)
	h.method, h.target = knownMethod(method), target
	return nil
}

// knownMethod returns a constant for the usual methods. A method that is a part
// of the head would keep the memory of the whole head in use after the request.
func knownMethod(method string) string {
	switch method {
	case http.MethodPost:
		return http.MethodPost
	case http.MethodGet:
		return http.MethodGet
	case http.MethodHead:
		return http.MethodHead
	}
	return strings.Clone(method)
}

// knownVersion returns a constant for the usual versions. A version that is a
// part of the head would keep the memory of the whole head in use after the
// request.
func knownVersion(version string) string {
	switch version {
	case "HTTP/1.1":
		return "HTTP/1.1"
	case "HTTP/1.0":
		return "HTTP/1.0"
	}
	return strings.Clone(version)
}

// parseFields parses the header lines.
func (h *head) parseFields(lines string) error {
	n := strings.Count(lines, "\n") - 1
	if n > maxLines {
		return errHeadSize
	}
	h.header = make(http.Header, n)
	values := make([]string, n) // one allocation for the values of all headers
	for i := 0; lines != "\r\n"; i++ {
		var line string
		line, lines = cutLine(lines)
		name, value, err := parseField(line)
		if err == nil && isBlank(lines[0]) {
			value, lines, err = unfold(value, lines)
		}
		if err != nil {
			return err
		}
		if earlier, found := h.header[name]; found {
			h.header[name] = append(earlier, value)
			continue
		}
		values[i] = value
		h.header[name] = values[i : i+1 : i+1]
	}
	return nil
}

// parseField parses one header line. The name is in net/http's spelling.
func parseField(line string) (name, value string, err error) {
	colon := strings.IndexByte(line, ':')
	if colon < 0 {
		return "", "", errHeaderLine
	}
	name, value = line[:colon], line[colon+1:]
	if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return "", "", errHeaderLine
	}
	return canonicalName(name), trimBlanks(value), nil
}

// unfold appends continuation lines (RFC 9112, section 5.2) to a value, with
// one blank before each.
func unfold(value, lines string) (whole, rest string, err error) {
	for isBlank(lines[0]) {
		var line string
		line, lines = cutLine(lines)
		line = trimBlanks(line)
		if line == "" || !httpguts.ValidHeaderFieldValue(line) {
			return "", "", errHeaderLine
		}
		value = trimBlanks(value + " " + line)
	}
	return value, lines, nil
}

// parseTarget parses the target and determines the host of the request. A target
// with a control character is refused: it is no plain path, and package url refuses
// it.
func (h *head) parseTarget() error {
	var err error
	switch authority := h.method == http.MethodConnect && !strings.HasPrefix(h.target, "/"); {
	case isPlainPath(h.target):
		h.url = &url.URL{Path: h.target}
	case authority:
		if h.url, err = url.ParseRequestURI("http://" + h.target); err == nil {
			h.url.Scheme = ""
		}
	default:
		h.url, err = url.ParseRequestURI(h.target)
	}
	if err != nil {
		return errTarget
	}
	hosts := h.header["Host"]
	switch {
	case len(hosts) > 1, len(hosts) == 1 && !httpguts.ValidHostHeader(hosts[0]):
		return errHost
	case len(hosts) == 0 && h.minor >= 1 && h.method != http.MethodConnect:
		return errHost
	case h.url.Host != "":
		h.host = h.url.Host
	case len(hosts) == 1:
		h.host = hosts[0]
	}
	delete(h.header, "Host")
	return nil
}

// isPlainPath reports whether a target is a path that url.ParseRequestURI would
// return unchanged.
func isPlainPath(target string) bool {
	for i := range len(target) {
		if !pathBytes[target[i]] {
			return false
		}
	}
	return target != "" && target[0] == '/' && !strings.HasPrefix(target, "//")
}

// parseFraming determines the length of the body. A request with several
// lengths or transfer codings is refused. A coding overrides a length, as RFC
// 9112, section 6.3, prescribes, and the connection ends after such a request.
func (h *head) parseFraming() error {
	lengths, codings := h.header["Content-Length"], h.header["Transfer-Encoding"]
	if len(lengths) > 1 || len(codings) > 1 {
		return errFraming
	}
	if len(lengths) == 1 {
		n, ok := parseLength(lengths[0])
		if !ok {
			return errLength
		}
		h.length = n
	}
	if len(codings) == 1 {
		if h.minor == 0 || !ascii.EqualFold(codings[0], "chunked") {
			return errCoding
		}
		h.length, h.ambiguous = -1, len(lengths) > 0
		delete(h.header, "Transfer-Encoding")
		delete(h.header, "Content-Length")
	}
	return h.parseTrailer()
}

// parseTrailer checks the Trailer header of a chunked request and moves its
// names to h.trailer. In any other request the Trailer header stays unchanged.
func (h *head) parseTrailer() error {
	lines, found := h.header["Trailer"]
	if !found {
		return nil
	}
	delete(h.header, "Trailer")
	if h.length >= 0 {
		h.header["Trailer"] = lines
		return nil
	}
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = canonicalName(trimBlanks(name))
			switch name {
			case "Transfer-Encoding", "Trailer", "Content-Length":
				return errTrailer
			}
			if !httpguts.ValidHeaderFieldName(name) {
				return errTrailer
			}
			if h.trailer == nil {
				h.trailer = make(http.Header)
			}
			h.trailer[name] = nil
		}
	}
	return nil
}

// parseConnection sets close and expect from the Connection and Expect headers.
func (h *head) parseConnection() error {
	connection := h.header["Connection"]
	h.close = httpguts.HeaderValuesContainsToken(connection, "close") ||
		h.minor == 0 && !httpguts.HeaderValuesContainsToken(connection, "keep-alive")
	for _, expect := range h.header["Expect"] {
		if !ascii.EqualFold(expect, "100-continue") {
			return errExpect
		}
		h.expect = h.minor >= 1 && h.length != 0
	}
	return nil
}

// parseLength parses a Content-Length, which must consist of digits alone.
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// parseChunkSize parses the line before a chunk, without its end: a size in
// hexadecimal digits and optional extensions, which it ignores.
func parseChunkSize(line []byte) (int64, error) {
	digits := 0
	var n int64
	for digits < len(line) {
		d := hexDigit(line[digits])
		if d < 0 {
			break
		}
		n = n<<4 | int64(d)
		digits++
	}
	if digits == 0 || digits > 15 || digits < len(line) && line[digits] != ';' || !httpguts.ValidHeaderFieldValue(string(line[digits:])) {
		return 0, errChunk
	}
	return n, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// spellings maps names of headers in the spelling of EWS clients to net/http's
// spelling. Other spellings are converted, which allocates memory.
var spellings = canonicalNames(
	"Host", "User-Agent", "Content-Type", "Content-Length", "Accept", "Accept-Encoding", "Accept-Language", "Authorization",
	"Connection", "Expect", "SOAPAction", "Cookie", "Transfer-Encoding", "Cache-Control", "Pragma",
	"X-AnchorMailbox", "X-PreferServerAffinity", "X-ClientStatistics", "X-EWS-TargetVersion", "Prefer",
	"client-request-id", "return-client-request-id", "X-BackEndOverrideCookie",
)

func canonicalNames(names ...string) map[string]string {
	m := make(map[string]string)
	for _, name := range names {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		m[name], m[canonical], m[strings.ToLower(name)] = canonical, canonical, canonical
	}
	return m
}

func canonicalName(name string) string {
	if canonical, found := spellings[name]; found {
		return canonical
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
