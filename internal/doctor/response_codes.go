package doctor

import "hmaproxy/proxy/ews"

// explainResponseCode explains the EWS response code of a response to
// GetFolder. It uses getFolderCodes, or else the table that the log and the
// status page use.
func explainResponseCode(f *facts, code, mailbox, detail string) Result {
	n := f.names.with("{mailbox}", mailbox, "{code}", code)
	if e, known := explainCode(getFolderCodes, code); known {
		return n.failed(detail, e)
	}
	if e, known := ews.ExplainFault(ews.ResponseCode(code)); known {
		e = e.For(mailbox)
		return n.failed(detail, explanation{cause: e.Meaning, repair: e.Remedies})
	}
	return n.failed(detail, explanation{
		cause:  "Exchange returned an error that is not known here",
		repair: []string{"look up {code} in Microsoft's ResponseCode reference; on Exchange look into Logging\\Ews"},
	})
}

// getFolderCodes explain response codes whose meaning is different, or more
// specific, in a response to doctor's own GetFolder.
var getFolderCodes = []codeRule[string]{
	{
		codes:  []string{"ErrorInvalidExchangeImpersonationHeaderData", "ErrorSchemaValidation", "ErrorInvalidRequest"},
		cause:  "Exchange did not find a usable mailbox in the request, or no request at all: a device in front alters it",
		repair: []string{"look for a WAF rule that rewrites or shortens XML, and have it pass /EWS/* through"},
	},
	{
		codes:  []string{"ErrorAccessDenied"},
		cause:  "Exchange denies access to the mailbox: its account is disabled, or EWS is for it or for this program",
		repair: []string{"on Exchange: Get-CASMailbox {mailbox} | fl Ews*; Get-OrganizationConfig | fl Ews*"},
	},
	{
		codes: []string{"ErrorFolderNotFound", "ErrorItemNotFound"},
		cause: "the mailbox opens and has no inbox: it is not an ordinary mailbox (an archive, a public folder mailbox, a discovery mailbox), or it is damaged",
		repair: []string{
			"on Exchange: Get-Recipient {mailbox} | fl RecipientTypeDetails,PrimarySmtpAddress,EmailAddresses",
			"try -mailbox with another one",
		},
	},
	{
		codes:  []string{"ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion"},
		cause:  "the server is older than Exchange 2013 SP1, and takes no app-only tokens then",
		repair: []string{"on Exchange: Get-ExchangeServer | fl Name,AdminDisplayVersion"},
	},
}
