package exchange

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	nsSoap     = "http://schemas.xmlsoap.org/soap/envelope/"
	nsTypes    = "http://schemas.microsoft.com/exchange/services/2006/types"
	nsMessages = "http://schemas.microsoft.com/exchange/services/2006/messages"
	nsErrors   = "http://schemas.microsoft.com/exchange/services/2006/errors"

	xmlDeclaration = `<?xml version="1.0" encoding="utf-8"?>`
)

// A fault is a SOAP fault of Exchange.
type fault struct {
	code   string // EWS response code
	text   string
	values [][2]string // the values in MessageXml: names and texts
}

func (f *fault) Error() string { return f.code + ": " + f.text }

// write responds with status 500 and the fault, in the layout of faults that were
// captured from Exchange.
func (f *fault) write(w http.ResponseWriter) {
	var extra strings.Builder
	if len(f.values) > 0 {
		extra.WriteString(`<t:MessageXml xmlns:t="` + nsTypes + `">`)
		for _, v := range f.values {
			fmt.Fprintf(&extra, `<t:Value Name="%s">%s</t:Value>`, esc(v[0]), esc(v[1]))
		}
		extra.WriteString(`</t:MessageXml>`)
	}
	writeXML(w, http.StatusInternalServerError, fmt.Sprintf(
		`<s:Envelope xmlns:s="%s"><s:Body><s:Fault><faultcode xmlns:a="%s">a:%s</faultcode><faultstring xml:lang="en-US">%s</faultstring><detail><e:ResponseCode xmlns:e="%s">%[3]s</e:ResponseCode><e:Message xmlns:e="%[5]s">%[4]s</e:Message>%s</detail></s:Fault></s:Body></s:Envelope>`,
		nsSoap, nsTypes, f.code, esc(f.text), nsErrors, extra.String()))
}

func writeXML(w http.ResponseWriter, status int, document string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(xmlDeclaration)+len(document)))
	w.WriteHeader(status)
	io.WriteString(w, xmlDeclaration+document)
}

// esc escapes text for XML.
func esc(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
