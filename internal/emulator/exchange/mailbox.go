package exchange

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Mailbox is a mailbox of Exchange. AddMailbox fills in an empty UPN, SID or
// GUID.
type Mailbox struct {
	Primary string   // primary SMTP address
	UPN     string   // user principal name; default: the primary address
	SID     string   // S-1-5-21-…
	GUID    string   // ExchangeGuid of the mailbox
	Aliases []string // further SMTP addresses
}

type mailbox struct {
	Mailbox
	folders []*folder
	items   map[string]*item // by identifier
	log     []change         // history of the folders
}

// A folder is a distinguished folder or a folder that a client created. The name
// of a created folder is a number.
type folder struct {
	id, name, display, class string
	owner                    *mailbox
	above                    *folder // nil for a distinguished folder
	log                      []change
}

type item struct {
	id, class   string // class is the name of the item's element, such as Message
	fields      []*node
	attachments []*attachment
	folder      *folder
	version     int
	size        int64
	created     time.Time
	draft       bool
}

// A change is an entry in the history of a folder's items or of a mailbox's
// folders.
type change struct {
	seq  int
	kind string // Create, Update, ReadFlagChange, Delete
	id   string
}

// has reports whether an SMTP address belongs to the mailbox. The address may be
// one of the mailbox's own addresses, also in IMCEA encapsulation, or its GUID at
// any domain.
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

func (m *mailbox) folder(name string) *folder {
	for _, f := range m.folders {
		if f.name == name {
			return f
		}
	}
	return nil
}

// itemsOf returns a folder's items in the order in which they came into the
// folder.
func (m *mailbox) itemsOf(f *folder) []*item {
	var list []*item
	for _, i := range m.items {
		if i.folder == f {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *item) int { return a.number() - b.number() })
	return list
}

// attachment returns the item that has the attachment with the id, and the
// attachment. Both are nil if there is no such attachment.
func (m *mailbox) attachment(id string) (*item, *attachment) {
	for _, i := range m.items {
		for _, a := range i.attachments {
			if a.id == id {
				return i, a
			}
		}
	}
	return nil, nil
}

func (m *mailbox) xml() string {
	name, _, _ := strings.Cut(m.Primary, "@")
	return fmt.Sprintf(`<t:Mailbox><t:Name>%s</t:Name><t:EmailAddress>%s</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>`, esc(name), esc(m.Primary))
}

// decapsulate undoes IMCEA encoding, which writes @ as +40.
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
