package exchange

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// A head is the part of an envelope before the Body. Two independent readers, which
// share only the tokeniser, read it: one in document order, one into structs as
// .NET does.
type head struct {
	blocks   []*node
	seen     string   // the first identity in document order
	identity identity // the identity that .NET reads
	present  bool     // the head has an ExchangeImpersonation
}

// An identity is a mailbox in one of the four forms of a ConnectingSID.
type identity struct{ form, value string }

// look reads the head in document order. It sets seen to the first text of a
// ConnectingSID.
func (h *head) look() {
	for _, block := range h.blocks {
		if block.name.Local != "ExchangeImpersonation" {
			continue
		}
		for _, sid := range block.kids {
			for _, kid := range sid.kids {
				if text := strings.TrimSpace(kid.text); text != "" {
					h.seen = text
					return
				}
			}
		}
	}
}

// netEnvelope is the struct into which the head is unmarshalled.
type netEnvelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Header  struct {
		Impersonation []struct {
			ConnectingSID struct {
				PrincipalName      string `xml:"http://schemas.microsoft.com/exchange/services/2006/types PrincipalName"`
				SID                string `xml:"http://schemas.microsoft.com/exchange/services/2006/types SID"`
				PrimarySmtpAddress string `xml:"http://schemas.microsoft.com/exchange/services/2006/types PrimarySmtpAddress"`
				SmtpAddress        string `xml:"http://schemas.microsoft.com/exchange/services/2006/types SmtpAddress"`
			} `xml:"http://schemas.microsoft.com/exchange/services/2006/types ConnectingSID"`
		} `xml:"http://schemas.microsoft.com/exchange/services/2006/types ExchangeImpersonation"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Header"`
}

// unmarshal reads the head as .NET does. It takes the first form that is not
// empty. The order of the forms is the order in which Exchange looks for an
// identity, not the order in the document. Exchange's order is not documented.
func (h *head) unmarshal(raw []byte) error {
	var env netEnvelope
	err := xml.NewDecoder(bytes.NewReader(raw)).Decode(&env)
	if err != nil && !cutShort(err) {
		return err
	}
	for _, i := range env.Header.Impersonation {
		h.present = true
		c := i.ConnectingSID
		for _, id := range []identity{
			{"PrincipalName", c.PrincipalName}, {"SID", c.SID},
			{"PrimarySmtpAddress", c.PrimarySmtpAddress}, {"SmtpAddress", c.SmtpAddress},
		} {
			if id.value = strings.TrimSpace(id.value); id.value != "" && h.identity.value == "" {
				h.identity = id
			}
		}
	}
	return nil
}

// cutShort reports whether err only says that elements are still open at the
// end of the head.
func cutShort(err error) bool {
	syntax, ok := err.(*xml.SyntaxError)
	return ok && syntax.Msg == "unexpected EOF"
}

// check returns the fault for a header that contradicts itself or has an unknown
// block that must be understood, or nil.
func (h *head) check() *fault {
	count := map[string]int{}
	for _, b := range h.blocks {
		count[b.name.Local]++
		if count[b.name.Local] > 1 {
			return &fault{code: "ErrorDuplicateSOAPHeader", text: fmt.Sprintf("The request contains duplicate SOAP headers: %s.", b.name.Local)}
		}
		if !knownHeader(b.name) && b.attribute(nsSoap, "mustUnderstand") == "1" {
			return &fault{code: "ErrorInvalidRequest", text: "A header that must be understood is not."}
		}
	}
	if h.present && count["SerializedSecurityContext"]+count["OpenAsAdminOrSystemService"] > 0 {
		return &fault{code: "ErrorMoreThanOneAccessModeSpecified", text: "More than one access mode was specified."}
	}
	return nil
}

func knownHeader(n xml.Name) bool {
	switch n.Local {
	case "RequestServerVersion", "ExchangeImpersonation", "MailboxCulture", "TimeZoneContext", "DateTimePrecision",
		"SerializedSecurityContext", "OpenAsAdminOrSystemService", "ManagementRole", "ProxyRequestTypeHeader":
		return n.Space == nsTypes
	}
	return false
}
