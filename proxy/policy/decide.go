package policy

import (
	"hmaproxy/proxy/ews"
)

// A Decision is what Decide found. With a Refusal it holds the Operation only,
// except in audit mode; see Decide.
type Decision struct {
	// Identity is who is to be impersonated. With a list it is in the list's
	// spelling, or in lower case where only a wildcard matched. Without a list
	// it is what the client or the configuration says. It is zero when nobody
	// usable is named.
	Identity ews.Identity

	// Injected reports that the client named nobody: the identity has to be
	// added to the head.
	Injected bool

	// Operation is the schema's name of the operation without "Request",
	// "Subscribe:Push" for that, or ews.OtherOperation: a closed set.
	Operation ews.Operation
}

// injected is the identity that the proxy adds for an address. It says
// SmtpAddress, since Exchange takes any of a mailbox's addresses there, while
// PrimarySmtpAddress must be the primary one (ErrorNonPrimarySmtpAddress) and a
// login name seldom is. The one version for which Microsoft's own client avoids
// SmtpAddress, Exchange 2007, does not know bearer tokens.
func injected(address string) ews.Identity {
	return ews.Identity{Kind: ews.SmtpAddress, Value: address}
}

// Decide decides about the head of a request, m, which must not be nil. login is
// the client's Basic user name, "" when it sent none.
//
// Without a list it refuses only what would have to be added and cannot be
// (Refusal.Always): a named mailbox passes, also in a form that could not be
// judged; then Identity is zero and the head must stay as it is.
//
// With a list it refuses, and reports the first of: a login that is missing or
// no address, the header blocks, the operation, the mailbox.
//
// In audit mode the Decision that comes with a Refusal says what to forward. If
// Injected is set, Identity is to be added to the client's own head, as without
// a list, whether or not it is on the list. Else, if Identity is not zero, it
// was judged and the head can be written from values. Else the request goes as
// it came; unless the Refusal holds always, for then audit mode is no matter.
func (p *Policy) Decide(m *ews.Request, login string) (Decision, *Refusal) {
	r := p.operations.find(m)
	v := Decision{Operation: r.name}
	id, added, mailbox := p.identify(m, login)
	refusal := p.refuse(m, r, mailbox)
	if refusal == nil || p.audit {
		v.Identity, v.Injected = id, added
	}
	if refusal != nil && refusal.Reason == EnvelopeRefused && !added {
		v.Identity = ews.Identity{} // such a head is not written again
	}
	return v, refusal
}

// refuse puts the refusals of a head in order.
func (p *Policy) refuse(m *ews.Request, r rule, mailbox *Refusal) *Refusal {
	if !p.Limited() || mailbox != nil && mailbox.Always() {
		return mailbox
	}
	if problem := headProblem(m.Blocks); problem != "" {
		return &Refusal{EnvelopeRefused, problem}
	}
	if !r.allowed {
		return &Refusal{OperationNotAllowed, "the operation is not among those that are allowed"}
	}
	return mailbox
}

// identify returns who is to be impersonated and whether the client left that
// to the proxy. In audit mode an injected identity comes with its refusal.
func (p *Policy) identify(m *ews.Request, login string) (ews.Identity, bool, *Refusal) {
	if named(m) {
		id, refusal := p.identifyNamed(m)
		return id, false, refusal
	}
	id, refusal := p.choose(login)
	if refusal != nil || id.Kind == ews.NoIdentity {
		return ews.Identity{}, false, refusal
	}
	listed, problem := p.match(id)
	if problem != "" {
		return id, true, &Refusal{MailboxNotAllowed, problem}
	}
	return listed, true, nil
}

func (p *Policy) identifyNamed(m *ews.Request) (ews.Identity, *Refusal) {
	id := namedOnce(m)
	if !p.Limited() {
		return id, nil
	}
	if id.Kind == ews.NoIdentity {
		return id, &Refusal{EnvelopeRefused, "an impersonation that cannot be judged"}
	}
	listed, problem := p.match(id)
	if problem != "" {
		return listed, &Refusal{MailboxNotAllowed, problem}
	}
	return listed, nil
}

// choose returns the identity for a request that names nobody: the login user
// or else the default mailbox. Where the login user is to be impersonated a
// request without credentials is not given the default mailbox: most clients
// send credentials only when asked, and would never be asked.
func (p *Policy) choose(login string) (ews.Identity, *Refusal) {
	if p.loginUser {
		if login == "" {
			return ews.Identity{}, &Refusal{LoginRequired, "nobody is named, and no user has logged on"}
		}
		if problem := addressProblem(login); problem != "" {
			return ews.Identity{}, &Refusal{LoginNameInvalid, problem}
		}
		return injected(login), nil
	}
	if p.fallback.Kind == ews.NoIdentity && p.Limited() {
		return ews.Identity{}, &Refusal{NoMailbox, "the request names no mailbox to impersonate"}
	}
	return p.fallback, nil
}

// DecideReference decides about a mailbox that the Body acts on; without the
// scope of targets nothing is refused. Only SMTP entries of the list count. An
// element that holds anything but text, or nothing, is refused. In audit mode
// it answers the same, for the caller to log.
//
// The code is ErrorAccessDenied, not that of a refused impersonation: it is
// Exchange's word for a user without rights on another's mailbox, so that a
// client need not take its whole account for broken.
func (p *Policy) DecideReference(r ews.Reference) *Refusal {
	if !p.targets {
		return nil
	}
	if r.Unreadable {
		return &Refusal{ReferenceNotAllowed, "a mailbox in the Body is not given as plain text"}
	}
	if p.Allows(r.Value) {
		return nil
	}
	return &Refusal{ReferenceNotAllowed, "the Body acts on a mailbox that is not on the allow-list"}
}

// DecideAnchor decides about the client's own X-AnchorMailbox. With a list the
// value must be a plain address for which there is an SMTP or a upn: entry, so
// that a client may anchor at whom it may impersonate. Exchange's other forms
// of an anchor (SMTP:…, Sid~…, a GUID at a domain) are refused. In audit mode it
// answers the same: a request for a mailbox off the list, which is forwarded
// there, usually has an anchor off the list.
func (p *Policy) DecideAnchor(value string) *Refusal {
	if !p.Limited() || p.Allows(value) {
		return nil
	}
	if _, problem := p.match(ews.Identity{Kind: ews.PrincipalName, Value: value}); problem == "" {
		return nil
	}
	return &Refusal{AnchorNotAllowed, "X-AnchorMailbox names a mailbox that is not on the allow-list"}
}

// Allows reports whether an SMTP address is on the list; without a list it
// reports true. It is meant for other HTTP headers that name mailboxes.
func (p *Policy) Allows(address string) bool {
	if !p.Limited() {
		return true
	}
	_, problem := p.match(ews.Identity{Kind: ews.SmtpAddress, Value: address})
	return problem == ""
}
