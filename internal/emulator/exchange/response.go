package exchange

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// serverVersion is the SOAP header of every response that is not a fault.
const serverVersion = `<h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="9" Version="V2017_07_11" xmlns:h="` + nsTypes + `" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>`

func bodyOf(inner string) string {
	return `<s:Envelope xmlns:s="` + nsSoap + `"><s:Header>` + serverVersion + `</s:Header><s:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">` + inner + `</s:Body></s:Envelope>`
}

// reply returns a response with one element of the messages namespace.
func reply(element, inner string) response {
	return func(w http.ResponseWriter) {
		writeXML(w, http.StatusOK, bodyOf(fmt.Sprintf(`<m:%s xmlns:m="%s" xmlns:t="%s">%s</m:%[1]s>`, element, nsMessages, nsTypes, inner)))
	}
}

// replies returns a response with one response message for each result.
func replies(operation string, results []result) response {
	var b strings.Builder
	for _, r := range results {
		r.write(&b, operation)
	}
	return reply(operation+"Response", "<m:ResponseMessages>"+b.String()+"</m:ResponseMessages>")
}

// A result is the outcome for one item of a batch: XML, or a code and a text.
type result struct {
	inner      string
	code, text string
}

func failed(code, text string) result { return result{code: code, text: text} }

func denied() result {
	return failed("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
}

func (r result) write(w io.Writer, operation string) {
	if r.code == "" {
		fmt.Fprintf(w, `<m:%sResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>%s</m:%[1]sResponseMessage>`, operation, r.inner)
		return
	}
	fmt.Fprintf(w, `<m:%sResponseMessage ResponseClass="Error"><m:MessageText>%s</m:MessageText><m:ResponseCode>%s</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>%s</m:%[1]sResponseMessage>`, operation, esc(r.text), r.code, r.inner)
}
