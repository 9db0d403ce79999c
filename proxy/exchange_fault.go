package proxy

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/proxy/ews"
)

// Patterns of the elements in a SOAP fault that name its cause and its
// back-off. A text search without a parser suffices, because Exchange is
// trusted. A value that does not have the form of a response code is not
// reported.
var (
	responseCode = lazyregexp.New(`ResponseCode(?:\s[^<>]*)?>\s*(Error[A-Za-z]{1,60})\s*<`)
	faultCode    = lazyregexp.New(`faultcode(?:\s[^<>]*)?>\s*(?:[A-Za-z_][\w.-]*:)?(Error[A-Za-z]{1,60})\s*<`)
	faultBackoff = lazyregexp.New(`BackOffMilliseconds"\s*>\s*([0-9]{1,9})\s*<`)
)

// describeFault records the response code of a SOAP fault and the back-off in
// it. beginning is the first part of the response's body, compressed as header
// says. Texts of Exchange are not recorded, because they quote the request.
func describeFault(record *Record, header http.Header, beginning []byte) {
	text := inflated(header, bytes.NewReader(beginning), inflatedRead)
	for _, element := range [...]func() *regexp.Regexp{responseCode, faultCode} {
		if found := element().FindSubmatch(text); found != nil {
			record.Fault = ews.ResponseCode(found[1])
			break
		}
	}
	if found := faultBackoff().FindSubmatch(text); found != nil {
		if n, err := strconv.Atoi(string(found[1])); err == nil {
			record.BackOff = time.Duration(n) * time.Millisecond
		}
	}
}
