package policy_test

import (
	"fmt"

	"hmaproxy/proxy/ews"
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
		request := &ews.Request{Operation: "GetFolder"} // the parser's result for the envelope
		if mailbox != "" {
			request.Blocks = []ews.HeaderBlock{{Space: ews.TypesNS, Name: "ExchangeImpersonation"}}
			request.Identity = ews.Identity{Kind: ews.SmtpAddress, Value: mailbox}
		}
		decision, refusal := p.Decide(request, "")
		if refusal != nil {
			fmt.Println(refusal)
			continue
		}
		fmt.Println(decision.Identity.Kind, decision.Identity.Value, decision.Injected)
	}
	// Output:
	// SmtpAddress Alice@contoso.com false
	// mailbox-not-allowed: the mailbox is not on the allow-list
	// PrimarySmtpAddress lobby@rooms.contoso.com true
}
