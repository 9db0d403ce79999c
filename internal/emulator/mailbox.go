package emulator

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// A Mailbox is a mailbox of Exchange. AddMailbox fills in empty fields.
type Mailbox struct {
	Primary string   // primary SMTP address
	UPN     string   // user principal name: the primary address
	SID     string   // S-1-5-21-…
	GUID    string   // its ExchangeGuid
	Aliases []string // further SMTP addresses
}

type mailbox struct {
	Mailbox
	folders []*folder
	items   map[string]*item // by identifier
	log     []change         // of the folders
}

// A folder is a distinguished folder, or one that a client made. The name of the
// latter is a number.
type folder struct {
	id, name, display, class string
	owner                    *mailbox
	above                    *folder // nil for a distinguished one
	log                      []change
}

type item struct {
	id, class   string // class: the element, such as Message
	fields      []*node
	attachments []*attachment
	folder      *folder
	version     int
	size        int64
	created     time.Time
	draft       bool
}

// A change is an entry of a folder's or a hierarchy's history.
type change struct {
	seq  int
	kind string // Create, Update, ReadFlagChange, Delete
	id   string
}

// AddMailbox adds a mailbox and returns it with all fields filled in.
func (x *Exchange) AddMailbox(m Mailbox) Mailbox {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m.UPN == "" {
		m.UPN = m.Primary
	}
	if m.SID == "" {
		m.SID = fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1101+len(x.mailboxes))
	}
	if m.GUID == "" {
		m.GUID = newGUID()
	}
	box := &mailbox{Mailbox: m, items: map[string]*item{}}
	for _, f := range [][3]string{
		{"msgfolderroot", "Top of Information Store", "IPF.Note"}, {"root", "Root", "IPF"},
		{"inbox", "Inbox", "IPF.Note"}, {"sentitems", "Sent Items", "IPF.Note"},
		{"drafts", "Drafts", "IPF.Note"}, {"outbox", "Outbox", "IPF.Note"},
		{"deleteditems", "Deleted Items", "IPF.Note"}, {"junkemail", "Junk Email", "IPF.Note"},
		{"calendar", "Calendar", "IPF.Appointment"}, {"contacts", "Contacts", "IPF.Contact"}, {"tasks", "Tasks", "IPF.Task"},
	} {
		box.folders = append(box.folders, &folder{id: mailboxID("F", m.GUID, f[0]), name: f[0], display: f[1], class: f[2], owner: box})
		box.log = append(box.log, change{kind: "Create", id: f[0]})
	}
	x.mailboxes = append(x.mailboxes, box)
	return m
}

// Mailboxes returns the mailboxes that Exchange has.
func (x *Exchange) Mailboxes() []Mailbox {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []Mailbox
	for _, m := range x.mailboxes {
		list = append(list, m.Mailbox)
	}
	return list
}

// impersonated returns the mailbox that a request impersonates. A fault, if any, is
// sent before the operation is read.
func (x *Exchange) impersonated(h *head) (*mailbox, *fault) {
	if f := h.judge(); f != nil {
		return nil, f
	}
	if !h.present {
		return nil, &fault{code: "ErrorInvalidExchangeImpersonationHeaderData", text: "ExchangeImpersonation SOAP header must be present for this type of OAuth token."}
	}
	id := h.identity
	switch id.form {
	case "":
		return nil, &fault{code: "ErrorInvalidExchangeImpersonationHeaderData", text: "The ExchangeImpersonation SOAP header does not contain a valid identity."}
	case "PrincipalName":
		return x.findBy("PrincipalName", id.value, func(m *mailbox) bool { return strings.EqualFold(m.UPN, id.value) })
	case "SID":
		return x.findBy("SID", id.value, func(m *mailbox) bool { return strings.EqualFold(m.SID, id.value) })
	}
	box, f := x.findBy("SmtpAddress", id.value, func(m *mailbox) bool { return m.has(id.value) })
	if f == nil && id.form == "PrimarySmtpAddress" && !strings.EqualFold(box.Primary, id.value) {
		return nil, &fault{"ErrorNonPrimarySmtpAddress", "The primary SMTP address must be specified when referencing a mailbox.", [][2]string{{"Primary", box.Primary}}}
	}
	return box, f
}

func (x *Exchange) findBy(form, value string, match func(*mailbox) bool) (*mailbox, *fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range x.mailboxes {
		if match(m) {
			return m, nil
		}
	}
	return nil, &fault{"ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.", [][2]string{{form, value}}}
}

// has reports whether an SMTP address leads to the mailbox: its own addresses, its
// GUID at any domain, and an encapsulated address.
func (m *mailbox) has(address string) bool {
	const imcea = "IMCEASMTP-"
	local, _, _ := strings.Cut(address, "@")
	if len(local) > len(imcea) && strings.EqualFold(local[:len(imcea)], imcea) {
		address = decapsulate(local[len(imcea):])
	}
	if strings.EqualFold(m.Primary, address) || strings.EqualFold(m.GUID, local) {
		return true
	}
	for _, alias := range m.Aliases {
		if strings.EqualFold(alias, address) {
			return true
		}
	}
	return false
}

// decapsulate undoes IMCEA encoding, in which +40 is @.
func decapsulate(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); s[i] == '+' && err == nil && len(c) == 1 {
			b.WriteByte(c[0])
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
