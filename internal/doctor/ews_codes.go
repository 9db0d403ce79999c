package doctor

import "strings"

// backEnd is about a mailbox that there is no answer for, although Exchange's
// front end has just answered a request for none.
func (x *examination) backEnd(a answer, mailbox string) Result {
	detail := "no answer to a request for " + mailbox + " (" + networkReason(a.err) + ")"
	if a.err == nil {
		detail = mailbox + ": " + a.describe()
	}
	return failed(detail, "Exchange's front end works (it took the token without a mailbox), and the server that holds this mailbox does not: its database, its application pool or the way there is down",
		"on Exchange: Get-MailboxDatabaseCopyStatus; Get-ServerComponentState SERVER; Test-ServiceHealth", "try -mailbox with one in another database; look into Logging\\HttpProxy\\Ews on the server")
}

// An ewsProblem is what response codes to GetFolder mean. MAILBOX stands for
// the address. Codes are those of Microsoft's ResponseCode reference.
type ewsProblem struct {
	codes  []string
	cause  string
	repair []string
}

const findRecipient = "on Exchange: Get-Recipient MAILBOX | fl RecipientTypeDetails,PrimarySmtpAddress,EmailAddresses"

var ewsProblems = []ewsProblem{
	{[]string{"ErrorNonExistentMailbox", "ErrorMailboxNotFound", "ErrorInvalidUserPrincipalName", "ErrorInvalidSmtpAddress"},
		"Exchange has no mailbox MAILBOX: mistyped, deleted, or it was moved to Exchange Online", []string{findRecipient}},
	{[]string{"ErrorNonPrimarySmtpAddress"}, "MAILBOX is an alias, and the mailbox wants its primary address", []string{findRecipient}},
	{[]string{"ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"},
		"Exchange does not let the application act as MAILBOX (ApplicationImpersonation's scope)",
		[]string{"on Exchange: Get-ManagementRoleAssignment -Role ApplicationImpersonation | fl RoleAssigneeName,CustomRecipientWriteScope"}},
	{[]string{"ErrorInvalidExchangeImpersonationHeaderData", "ErrorSchemaValidation", "ErrorInvalidRequest"},
		"Exchange did not find a usable mailbox in the request, or no request at all: a device in front alters it", []string{"look for a WAF rule that rewrites or shortens XML, and have it pass /EWS/* through"}},
	{[]string{"ErrorServerBusy", "ErrorTooManyObjectsOpened", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount"},
		"Exchange throttles the application", []string{"try again in some minutes; on Exchange: Get-ThrottlingPolicy | fl Name,Ews*"}},
	{[]string{"ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError"},
		"the mailbox or its database is not available at the moment", []string{"on Exchange: Get-MailboxDatabaseCopyStatus; Get-MoveRequest MAILBOX"}},
	{[]string{"ErrorAccountDisabled", "ErrorAccessDenied"},
		"Exchange denies access to the mailbox: its account is disabled, or EWS is for it or for this program", []string{"on Exchange: Get-CASMailbox MAILBOX | fl Ews*; Get-OrganizationConfig | fl Ews*"}},
	{[]string{"ErrorPasswordExpired", "ErrorPasswordChangeRequired"},
		"the Active Directory account of MAILBOX must change its password", []string{"on a domain controller: Get-ADUser -Filter \"mail -eq 'MAILBOX'\" -Properties PasswordExpired,PasswordLastSet"}},
	{[]string{"ErrorADUnavailable", "ErrorADOperation", "ErrorADSessionFilter"},
		"Exchange reaches no domain controller", []string{"on Exchange: Get-ExchangeServer -Status | fl Name,CurrentDomainControllers; Test-ServiceHealth"}},
	{[]string{"ErrorNoRespondingCASInDestinationSite", "ErrorNoApplicableProxyCASServersAvailable", "ErrorProxyRequestNotAllowed", "ErrorProxyCallFailed", "ErrorProxyRequestProcessingFailed", "ErrorCASVersionNotSupported"},
		"this Exchange Server hands the request on to the site that holds the mailbox, and no server there takes it", []string{"on Exchange: Get-WebServicesVirtualDirectory | fl Server,InternalUrl,InternalNLBBypassUrl; Get-ServerComponentState SERVER", "or set HMA_EWS_URL to that site's address"}},
	{[]string{"ErrorFolderNotFound", "ErrorItemNotFound"},
		"the mailbox opens and has no inbox: it is not an ordinary mailbox (an archive, a public folder mailbox, a discovery mailbox), or it is damaged", []string{findRecipient, "try -mailbox with another one"}},
	{[]string{"ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion"},
		"the server is older than Exchange 2013 SP1, and takes no app-only tokens then", []string{"on Exchange: Get-ExchangeServer | fl Name,AdminDisplayVersion"}},
	{[]string{"ErrorInternalServerError", "ErrorInternalServerTransientError", "ErrorBatchProcessingStopped"},
		"Exchange met an error of its own at this mailbox: often a passing one, a mailbox that is damaged or half moved, or an account without the rights that Exchange needs to read",
		[]string{"try again, then -mailbox with another one; on Exchange: Get-Mailbox MAILBOX | fl Database,IsValid,ExchangeGuid", "on Exchange look for the request-id above in Logging\\Ews and in the event log (source MSExchange Web Services)"}},
}

// explainEWS says what a response code to GetFolder means.
func explainEWS(code, mailbox string) (cause string, repair []string) {
	named := strings.NewReplacer("MAILBOX", mailbox).Replace
	for _, p := range ewsProblems {
		for _, known := range p.codes {
			if known == code {
				for _, s := range p.repair {
					repair = append(repair, named(s))
				}
				return named(p.cause), repair
			}
		}
	}
	return "Exchange answers with an error that is not known here", []string{"look up " + code + " in Microsoft's ResponseCode reference; on Exchange look into Logging\\Ews"}
}
