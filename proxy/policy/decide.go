package policy

import "hmaproxy/proxy/ews"

// A Decision is the result of Decide. If Decide also returns a Refusal, only
// Operation is set, except in audit mode; see Decide.
type Decision struct {
	// Identity is the mailbox to impersonate. With a list it has the spelling of
	// the list. If only a wildcard matched, it is in lower case and its Kind is
	// PrimarySmtpAddress. Without a list it is the name that the client sent, the
	// login name or the default mailbox. It is zero if there is no usable name.
	Identity ews.Identity

	// Injected reports that the client named no mailbox, so the identity must be
	// added to the head of the request.
	Injected bool

	// Operation is the operation that the request calls.
	Operation ews.Operation
}

// injected returns the identity that the proxy adds for an address. It has the
// form SmtpAddress, in which Exchange accepts any address of a mailbox, because
// a login name is rarely the primary address. Microsoft's own client avoids
// SmtpAddress only for Exchange 2007, which does not support bearer tokens.
func injected(address string) ews.Identity {
	return ews.Identity{Kind: ews.SmtpAddress, Value: address}
}

// Decide decides about r, the content of the head of a request (see ews.Request). r
// must not be nil. login is the client's Basic user name, "" if it sent none.
//
// Without a list Decide refuses a request only if the proxy must add an identity
// and there is none (Refusal.Always). A mailbox that the client names is accepted,
// even in a form that cannot be checked; then Identity is zero and the head
// must stay unchanged.
//
// With a list Decide returns the first refusal of these checks: the login, if it
// is needed and is missing or not an address; the header blocks; the operation;
// the mailbox.
//
// In audit mode a Decision with a Refusal says what to forward. If Injected is
// set, Identity must be added to the client's own head, as without a list, even
// if Identity is not on the list. If Injected is not set and Identity is not
// zero, Identity is allowed and the head can be written from values. If Injected
// is not set and Identity is zero, the request is forwarded unchanged, unless
// Refusal.Always holds.
func (p *Policy) Decide(r *ews.Request, login string) (Decision, *Refusal) {
	operation := p.operations.find(r)
	decision := Decision{Operation: operation.name}
	id, added, mailbox := p.identify(r, login)
	refusal := p.refuse(r, operation, mailbox)
	if refusal == nil || p.audit {
		decision.Identity, decision.Injected = id, added
	}
	if refusal != nil && refusal.Reason == EnvelopeRefused && !added {
		decision.Identity = ews.Identity{} // without an Identity the head is not rewritten
	}
	return decision, refusal
}

// refuse returns the first refusal of the checks that Decide describes, in that
// order, or nil. mailbox is the refusal of the mailbox, or nil.
func (p *Policy) refuse(r *ews.Request, operation rule, mailbox *Refusal) *Refusal {
	if !p.Limited() || mailbox != nil && mailbox.Always() {
		return mailbox
	}
	if problem := headerProblem(r.Blocks); problem != "" {
		return &Refusal{EnvelopeRefused, problem}
	}
	if !operation.allowed {
		return &Refusal{OperationNotAllowed, "the operation is not among those that are allowed"}
	}
	return mailbox
}

// identify returns the mailbox to impersonate and whether the proxy has to add it
// to the request. If the proxy has to add a mailbox that is not allowed, identify
// returns both the mailbox and the refusal, because audit mode needs both.
func (p *Policy) identify(r *ews.Request, login string) (ews.Identity, bool, *Refusal) {
	if namesMailbox(r) {
		id, refusal := p.identifyNamed(r)
		return id, false, refusal
	}
	id, refusal := p.choose(login)
	if refusal != nil || id.IsZero() {
		return ews.Identity{}, false, refusal
	}
	listed, problem := p.match(id)
	if problem != "" {
		return id, true, &Refusal{MailboxNotAllowed, problem}
	}
	return listed, true, nil
}

// identifyNamed returns the mailbox that the client names, in the spelling of the
// list, or a refusal. Without a list it returns the mailbox unchanged.
func (p *Policy) identifyNamed(r *ews.Request) (ews.Identity, *Refusal) {
	id := soleIdentity(r)
	if !p.Limited() {
		return id, nil
	}
	if id.IsZero() {
		return id, &Refusal{EnvelopeRefused, "an impersonation that cannot be checked"}
	}
	listed, problem := p.match(id)
	if problem != "" {
		return listed, &Refusal{MailboxNotAllowed, problem}
	}
	return listed, nil
}

// choose returns the identity for a request that names no mailbox. With
// Config.LoginUser it is login, the user name of the Basic credentials; otherwise
// it is the default mailbox. With Config.LoginUser, a request without credentials
// does not get the default mailbox. Most clients send credentials only after a 401,
// and would never get a 401 if the default mailbox were used.
func (p *Policy) choose(login string) (ews.Identity, *Refusal) {
	if p.loginUser {
		if login == "" {
			return ews.Identity{}, &Refusal{LoginRequired, "the request names no mailbox and has no user name"}
		}
		if problem := addressProblem(login); problem != "" {
			return ews.Identity{}, &Refusal{LoginNameInvalid, problem}
		}
		return injected(login), nil
	}
	if p.fallback.IsZero() && p.Limited() {
		return ews.Identity{}, &Refusal{NoMailbox, "the request names no mailbox to impersonate"}
	}
	return p.fallback, nil
}

// DecideReference decides about a mailbox that the Body acts on. Without
// Config.Targets it refuses nothing. It refuses every Reference that is
// Unreadable. In audit mode it returns the same refusals, and the caller only
// logs them.
//
// An address must match an SMTP entry or a wildcard of every list. With
// Config.PrimaryOnly a wildcard does not suffice, because the Body is sent unchanged
// and Exchange resolves aliases in it. The GUID in an id must be on every list that
// has entries guid:…; see Policy.IDs.
func (p *Policy) DecideReference(r ews.Reference) *Refusal {
	if !p.targets {
		return nil
	}
	if r.Unreadable {
		return &Refusal{ReferenceNotAllowed, "a mailbox in the Body is not given as the plain text of an address or id"}
	}
	if r.Kind == ews.IDReference {
		return p.decideID(r.ID)
	}
	return p.decideAddress(r.Value)
}

// decideAddress decides about an address in the Body. It returns nil if the address
// is allowed.
func (p *Policy) decideAddress(address string) *Refusal {
	_, itself, problem := p.lookUp(ews.Identity{Kind: ews.SmtpAddress, Value: address})
	switch {
	case problem != "":
		return &Refusal{ReferenceNotAllowed, "the Body acts on a mailbox that is not on the allow-list"}
	case p.primary && !itself:
		return &Refusal{ReferenceNotAllowed, "the Body acts on a mailbox that only a wildcard matches, which may be an alias"}
	}
	return nil
}

// decideID decides about an id in the Body. It returns nil if the id is allowed.
// The GUID of the id's mailbox must be on every list that has GUID entries. If the
// id contains an address, decideID decides about the address. Ids of public
// folders, of objects of the directory and of subscriptions in an older format are
// accepted, because they belong to no mailbox. If a list has GUID entries, an id in
// a form that Exchange reads but does not issue is refused, because regular clients
// do not send one. With Config.StrictIDs, an id that does not say which mailbox it
// belongs to is refused.
func (p *Policy) decideID(id ews.IDMailbox) *Refusal {
	switch id.Kind {
	case ews.IrregularID:
		if p.IDs() {
			return &Refusal{ReferenceNotAllowed, "the Body has an id in a form that Exchange does not issue"}
		}
	case ews.MailboxGUIDID:
		for _, l := range p.lists {
			if _, listed := l.guids[id.GUID]; !listed && len(l.guids) > 0 {
				return &Refusal{ReferenceNotAllowed, "the Body acts on something in a mailbox whose GUID is not on the allow-list"}
			}
		}
	case ews.MailboxSMTPID:
		return p.decideAddress(id.SMTP)
	case ews.UnknownID:
		if p.strictIDs {
			return &Refusal{ReferenceNotAllowed, "the Body has an id that does not say which mailbox it belongs to"}
		}
	}
	return nil
}

// DecideAnchor decides about the client's X-AnchorMailbox. With a list the value
// must be a plain address. The address must match an SMTP entry or a wildcard of
// every list, or an entry upn:… of every list. So a client can name only mailboxes
// that it may impersonate. Exchange's other forms of an anchor (SMTP:…, Sid~…, a
// GUID at a domain) are refused. In audit mode DecideAnchor returns the same
// refusals, and the caller only logs them: if audit mode serves a request for a
// mailbox that is not on the list, its anchor is usually not on the list either.
func (p *Policy) DecideAnchor(value string) *Refusal {
	if !p.Limited() || p.Allows(value) {
		return nil
	}
	if _, problem := p.match(ews.Identity{Kind: ews.PrincipalName, Value: value}); problem == "" {
		return nil
	}
	return &Refusal{AnchorNotAllowed, "X-AnchorMailbox names a mailbox that is not on the allow-list"}
}

// DecideMailbox decides about a mailbox that a client names by an address, as
// in Autodiscover. It returns the address in the spelling that Decide would
// return. Even without a list it refuses names that are not addresses. In audit mode
// it returns the same refusals, and the caller only logs them.
func (p *Policy) DecideMailbox(address string) (string, *Refusal) {
	id, problem := p.match(ews.Identity{Kind: ews.SmtpAddress, Value: address})
	if problem != "" {
		return "", &Refusal{MailboxNotAllowed, problem}
	}
	return id.Value, nil
}

// Allows reports whether an SMTP address is on the list. Without a list it
// returns true. Use it for HTTP headers that name mailboxes, except
// X-AnchorMailbox.
func (p *Policy) Allows(address string) bool {
	if !p.Limited() {
		return true
	}
	_, problem := p.match(ews.Identity{Kind: ews.SmtpAddress, Value: address})
	return problem == ""
}
