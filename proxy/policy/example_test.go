package policy_test

import (
	"fmt"

	"hmaproxy/proxy/internal/soap"
	"hmaproxy/proxy/policy"
)

func Example() {
	allowed, err := policy.ParsePatterns("Alice@contoso.com, *@rooms.contoso.com # and all rooms")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := policy.New(policy.Config{Allowed: allowed, DefaultMailbox: "lobby@rooms.contoso.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, mailbox := range []string{"alice@CONTOSO.COM", "bob@contoso.com", ""} {
		m := &soap.Message{Operation: "GetFolder"} // as the scanner of package soap reports it
		if mailbox != "" {
			m.Blocks = []soap.Block{{Space: soap.TypesNS, Name: "ExchangeImpersonation"}}
			m.Identity = soap.Identity{Kind: soap.SmtpAddress, Value: mailbox}
		}
		verdict, refusal := p.Judge(m, "")
		if refusal != nil {
			fmt.Println(refusal)
			continue
		}
		fmt.Println(verdict.Identity.Kind, verdict.Identity.Value, verdict.Injected)
	}
	// Output:
	// SmtpAddress Alice@contoso.com false
	// mailbox-not-allowed: the mailbox is not on the allow-list
	// SmtpAddress lobby@rooms.contoso.com true
}
