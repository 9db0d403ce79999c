package soap_test

import (
	"errors"
	"fmt"
	"strings"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/soap"
)

const request = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">
 <s:Header>
  <t:ExchangeImpersonation xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
   <t:ConnectingSID><t:SmtpAddress>Alice@Contoso.com </t:SmtpAddress></t:ConnectingSID>
  </t:ExchangeImpersonation>
 </s:Header>
 <s:Body><GetServerTimeZones xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"/></s:Body>
</s:Envelope>`

// This example scans a request and writes a new head for the mailbox of the
// decision.
func Example() {
	s := soap.NewScanner()
	if _, err := s.Write([]byte(request)); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return
	}
	m := s.Request()
	fmt.Println(m.Identity.Kind, m.Identity.Value, m.Operation)

	listed := ews.Identity{Kind: m.Identity.Kind, Value: "alice@contoso.com"}
	fmt.Println(strings.ReplaceAll(string(s.AppendHead(nil, listed)), "><", ">\n<"))
	fmt.Println(request[m.BodyOffset : m.BodyOffset+8])
	// Output:
	// SmtpAddress Alice@Contoso.com GetServerTimeZones
	// <?xml version="1.0" encoding="utf-8"?>
	// <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">
	// <s:Header>
	// <t:ExchangeImpersonation xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
	// <t:ConnectingSID>
	// <t:SmtpAddress>alice@contoso.com</t:SmtpAddress>
	// </t:ConnectingSID>
	// </t:ExchangeImpersonation>
	// </s:Header>
	// <s:Body>
}

func ExampleScanner_Write() {
	s := soap.NewScanner()
	_, err := s.Write([]byte(strings.Replace(request, "Alice", "<?bob?>", 1)))
	var v *soap.Violation
	fmt.Println(errors.As(err, &v), s.Forwardable())
	fmt.Println(v.Offset == int64(strings.Index(request, "Alice")), v.Reason)
	// Output:
	// true 0
	// true a processing instruction, or an XML declaration that is not at the beginning
}
