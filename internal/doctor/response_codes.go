package doctor

// explainResponseCode says what a response code to GetFolder means.
func explainResponseCode(f *facts, code, mailbox, detail string) Result {
	e, known := explainCode(responseCodes, code)
	if !known {
		e = explanation{
			cause:  "Exchange returned an error that is not known here",
			repair: []string{"look up {code} in Microsoft's ResponseCode reference; on Exchange look into Logging\\Ews"},
		}
	}
	return f.names.with("{mailbox}", mailbox, "{code}", code).failed(detail, e)
}

const findRecipient = "on Exchange: Get-Recipient {mailbox} | fl RecipientTypeDetails,PrimarySmtpAddress,EmailAddresses"

// responseCodes explain response codes to GetFolder. They are those of
// Microsoft's ResponseCode reference.
var responseCodes = []codeRule[string]{
	{
		codes:  []string{"ErrorNonExistentMailbox", "ErrorMailboxNotFound", "ErrorInvalidUserPrincipalName", "ErrorInvalidSmtpAddress"},
		cause:  "Exchange has no mailbox {mailbox}: mistyped, deleted, or it was moved to Exchange Online",
		repair: []string{findRecipient},
	},
	{
		codes:  []string{"ErrorNonPrimarySmtpAddress"},
		cause:  "{mailbox} is an alias, and the mailbox wants its primary address",
		repair: []string{findRecipient},
	},
	{
		codes:  []string{"ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"},
		cause:  "Exchange does not let the application act as {mailbox} (ApplicationImpersonation's scope)",
		repair: []string{"on Exchange: Get-ManagementRoleAssignment -Role ApplicationImpersonation | fl RoleAssigneeName,CustomRecipientWriteScope"},
	},
	{
		codes:  []string{"ErrorInvalidExchangeImpersonationHeaderData", "ErrorSchemaValidation", "ErrorInvalidRequest"},
		cause:  "Exchange did not find a usable mailbox in the request, or no request at all: a device in front alters it",
		repair: []string{"look for a WAF rule that rewrites or shortens XML, and have it pass /EWS/* through"},
	},
	{
		codes:  []string{"ErrorServerBusy", "ErrorTooManyObjectsOpened", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount"},
		cause:  "Exchange throttles the application",
		repair: []string{"try again in some minutes; on Exchange: Get-ThrottlingPolicy | fl Name,Ews*"},
	},
	{
		codes:  []string{"ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError"},
		cause:  "the mailbox or its database is not available at the moment",
		repair: []string{"on Exchange: Get-MailboxDatabaseCopyStatus; Get-MoveRequest {mailbox}"},
	},
	{
		codes:  []string{"ErrorAccountDisabled", "ErrorAccessDenied"},
		cause:  "Exchange denies access to the mailbox: its account is disabled, or EWS is for it or for this program",
		repair: []string{"on Exchange: Get-CASMailbox {mailbox} | fl Ews*; Get-OrganizationConfig | fl Ews*"},
	},
	{
		codes:  []string{"ErrorPasswordExpired", "ErrorPasswordChangeRequired"},
		cause:  "the Active Directory account of {mailbox} must change its password",
		repair: []string{"on a domain controller: Get-ADUser -Filter \"mail -eq '{mailbox}'\" -Properties PasswordExpired,PasswordLastSet"},
	},
	{
		codes:  []string{"ErrorADUnavailable", "ErrorADOperation", "ErrorADSessionFilter"},
		cause:  "Exchange reaches no domain controller",
		repair: []string{"on Exchange: Get-ExchangeServer -Status | fl Name,CurrentDomainControllers; Test-ServiceHealth"},
	},
	{
		codes:  []string{"ErrorNoRespondingCASInDestinationSite", "ErrorNoApplicableProxyCASServersAvailable", "ErrorProxyRequestNotAllowed", "ErrorProxyCallFailed", "ErrorProxyRequestProcessingFailed", "ErrorCASVersionNotSupported"},
		cause:  "this Exchange Server hands the request on to the site that holds the mailbox, and no server there takes it",
		repair: []string{"on Exchange: Get-WebServicesVirtualDirectory | fl Server,InternalUrl,InternalNLBBypassUrl; Get-ServerComponentState SERVER", "or set HMA_EWS_URL to that site's address"},
	},
	{
		codes:  []string{"ErrorFolderNotFound", "ErrorItemNotFound"},
		cause:  "the mailbox opens and has no inbox: it is not an ordinary mailbox (an archive, a public folder mailbox, a discovery mailbox), or it is damaged",
		repair: []string{findRecipient, "try -mailbox with another one"},
	},
	{
		codes:  []string{"ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion"},
		cause:  "the server is older than Exchange 2013 SP1, and takes no app-only tokens then",
		repair: []string{"on Exchange: Get-ExchangeServer | fl Name,AdminDisplayVersion"},
	},
	{
		codes:  []string{"ErrorInternalServerError", "ErrorInternalServerTransientError", "ErrorBatchProcessingStopped"},
		cause:  "Exchange met an error of its own at this mailbox: often a passing one, a mailbox that is damaged or half moved, or an account without the rights that Exchange needs to read",
		repair: []string{"try again, then -mailbox with another one; on Exchange: Get-Mailbox {mailbox} | fl Database,IsValid,ExchangeGuid", "on Exchange look for the request-id above in Logging\\Ews and in the event log (source MSExchange Web Services)"},
	},
}
