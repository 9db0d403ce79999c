package policy

import (
	"errors"

	"hmaproxy/proxy/internal/soap"
)

// Config says what a Policy allows.
type Config struct {
	Allowed    []Pattern  // who may be impersonated; nil: no list, everybody. Empty but not nil is an error
	Audit      bool       // only report what would be refused; needs a list
	Targets    bool       // judge the mailboxes that a Body acts on too; needs a list
	Operations Operations // zero: all but those that escape a mailbox. Anything else needs a list

	DefaultMailbox string // an address, impersonated when a request names nobody; "": nobody
	LoginUser      bool   // take the mailbox from the client's Basic user name when a request names nobody
}

// A Policy is a judgement ready for use.
type Policy struct{}

// New returns the policy that config describes.
func New(config Config) (*Policy, error) { return nil, errors.New("not written yet") }

// Limited reports whether there is a list. Without one nothing is refused for
// its content.
func (p *Policy) Limited() bool { return true }

// Audit reports whether refusals are only to be reported.
func (p *Policy) Audit() bool { return false }

// References reports whether the mailboxes that a Body acts on are to be
// judged by JudgeReference.
func (p *Policy) References() bool { return false }

// Size returns the number of entries on the list.
func (p *Policy) Size() int { return 0 }

// Narrow returns the policy of a client that has patterns of its own.
func (p *Policy) Narrow(patterns []Pattern) *Policy { return p }

// A Verdict is what Judge found.
type Verdict struct {
	Identity  soap.Identity
	Injected  bool
	Operation string
}

// Judge decides about the head of a request.
func (p *Policy) Judge(m *soap.Message, login string) (Verdict, *Refusal) {
	return Verdict{}, &Refusal{CodeMailbox, MailboxNotAllowed, "nothing is allowed"}
}

// JudgeReference decides about a mailbox that the Body acts on.
func (p *Policy) JudgeReference(r soap.Reference) *Refusal {
	return &Refusal{CodeAccess, ReferenceNotAllowed, "nothing is allowed"}
}

// JudgeAnchor decides about the client's own X-AnchorMailbox.
func (p *Policy) JudgeAnchor(value string) *Refusal {
	return &Refusal{CodeMailbox, AnchorNotAllowed, "nothing is allowed"}
}

// Allows reports whether an address is on the list.
func (p *Policy) Allows(address string) bool { return false }

// Operations says which operations may be called.
type Operations struct{}

// ParseOperations reads a list of operations.
func ParseOperations(text string) (Operations, error) {
	return Operations{}, errors.New("not written yet")
}

// ParsePatterns reads an allow-list.
func ParsePatterns(text string) ([]Pattern, error) { return nil, errors.New("not written yet") }
