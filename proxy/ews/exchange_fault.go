package ews

import (
	"slices"
	"strings"
)

// A FaultExplanation explains response codes of Exchange that have the same
// meaning for a program that impersonates mailboxes with an application
// permission.
type FaultExplanation struct {
	Codes    []ResponseCode
	Meaning  string   // the meaning, one clause; it may contain the word MAILBOX, which the method For replaces by an address
	Remedies []string // commands and steps for an administrator; they may contain MAILBOX
}

// The method For returns a copy of e with an address in place of the word MAILBOX.
func (e FaultExplanation) For(mailbox string) FaultExplanation {
	named := strings.NewReplacer("MAILBOX", mailbox).Replace
	e.Meaning, e.Remedies = named(e.Meaning), slices.Clone(e.Remedies)
	for i, s := range e.Remedies {
		e.Remedies[i] = named(s)
	}
	return e
}

// ExplainFault returns the explanation of a response code of Exchange. ok is
// false for a code that is not known here, or that only the client can act on
// (ErrorItemNotFound, ErrorSchemaValidation).
func ExplainFault(code ResponseCode) (e FaultExplanation, ok bool) {
	for _, e := range FaultExplanations() {
		if slices.Contains(e.Codes, code) {
			return e, true
		}
	}
	return FaultExplanation{}, false
}

// FaultExplanations returns every explanation. The codes are from Microsoft's
// ResponseCode reference.
func FaultExplanations() []FaultExplanation {
	return []FaultExplanation{
		{
			Codes:   []ResponseCode{"ErrorNonExistentMailbox", "ErrorMailboxNotFound", "ErrorInvalidUserPrincipalName", "ErrorInvalidSmtpAddress"},
			Meaning: "Exchange has no mailbox MAILBOX: mistyped, deleted, or it was moved to Exchange Online",
			Remedies: []string{
				findRecipient,
				"RemoteUserMailbox there: it is in Exchange Online and no longer reachable through Exchange Server; take it off the allow-list, its client needs Microsoft Graph",
			},
		},
		{
			Codes:    []ResponseCode{"ErrorNonPrimarySmtpAddress"},
			Meaning:  "MAILBOX is an alias, and the mailbox wants its primary address",
			Remedies: []string{findRecipient},
		},
		{
			Codes:    []ResponseCode{ErrorImpersonateUserDenied, "ErrorImpersonationDenied"},
			Meaning:  "Exchange does not let the application act as MAILBOX (ApplicationImpersonation's scope)",
			Remedies: []string{"on Exchange: Get-ManagementRoleAssignment -Role ApplicationImpersonation | fl RoleAssigneeName,CustomRecipientWriteScope"},
		},
		{
			Codes:    []ResponseCode{"ErrorImpersonationFailed"},
			Meaning:  "Exchange cannot resolve the identity that the request acts as, often a SID or user principal name",
			Remedies: []string{"name the mailbox by its primary SMTP address", findRecipient},
		},
		{
			Codes:   []ResponseCode{ErrorServerBusy, "ErrorTooManyObjectsOpened", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount", "ErrorExceededFindCountLimit"},
			Meaning: "Exchange throttles the application",
			Remedies: []string{
				"use fewer connections and subscriptions at a time, and try again in some minutes",
				"on Exchange: Get-ThrottlingPolicy | fl Name,Ews*; New-ThrottlingPolicy NAME -ThrottlingPolicyScope Regular, then Set-ThrottlingPolicyAssociation",
			},
		},
		{
			Codes:    []ResponseCode{"ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError"},
			Meaning:  "the mailbox or its database is not available at the moment",
			Remedies: []string{"on Exchange: Get-MailboxDatabaseCopyStatus; Get-MoveRequest MAILBOX"},
		},
		{
			Codes:    []ResponseCode{"ErrorAccountDisabled"},
			Meaning:  "the Active Directory account of MAILBOX is disabled, or EWS is for it",
			Remedies: []string{"on Exchange: Get-CASMailbox MAILBOX | fl Ews*; Get-OrganizationConfig | fl Ews*"},
		},
		{
			Codes:    []ResponseCode{"ErrorPasswordExpired", "ErrorPasswordChangeRequired"},
			Meaning:  "the Active Directory account of MAILBOX must change its password",
			Remedies: []string{`on a domain controller: Get-ADUser -Filter "mail -eq 'MAILBOX'" -Properties PasswordExpired,PasswordLastSet`},
		},
		{
			Codes:    []ResponseCode{"ErrorADUnavailable", "ErrorADOperation", "ErrorADSessionFilter"},
			Meaning:  "Exchange reaches no domain controller",
			Remedies: []string{"on Exchange: Get-ExchangeServer -Status | fl Name,CurrentDomainControllers; Test-ServiceHealth"},
		},
		{
			Codes:   []ResponseCode{"ErrorNoRespondingCASInDestinationSite", "ErrorNoApplicableProxyCASServersAvailable", "ErrorProxyRequestNotAllowed", "ErrorProxyCallFailed", "ErrorProxyRequestProcessingFailed", "ErrorCASVersionNotSupported"},
			Meaning: "this Exchange Server hands the request on to the site that holds the mailbox, and no server there takes it",
			Remedies: []string{
				"on Exchange: Get-WebServicesVirtualDirectory | fl Server,InternalUrl,InternalNLBBypassUrl; Get-ServerComponentState SERVER",
				"or use that site's EWS URL",
			},
		},
		{
			Codes:    []ResponseCode{"ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion"},
			Meaning:  "the request asks for a version of the schema that this Exchange Server does not have",
			Remedies: []string{"lower RequestServerVersion in the client; on Exchange: Get-ExchangeServer | fl Name,AdminDisplayVersion"},
		},
		{
			Codes:   []ResponseCode{"ErrorInternalServerError", ErrorInternalServerTransientError, "ErrorBatchProcessingStopped"},
			Meaning: "Exchange met an error of its own at this mailbox: often a passing one, a mailbox that is damaged or half moved, or an account without the rights that Exchange needs to read",
			Remedies: []string{
				"try again, then with another mailbox; on Exchange: Get-Mailbox MAILBOX | fl Database,IsValid,ExchangeGuid",
				"on Exchange look for the request-id in Logging\\Ews and in the event log (source MSExchange Web Services)",
			},
		},
	}
}

const findRecipient = "on Exchange: Get-Recipient MAILBOX | fl RecipientTypeDetails,PrimarySmtpAddress,EmailAddresses"
