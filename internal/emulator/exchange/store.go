package exchange

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator/service"
)

// Store keeps the mailboxes, groups and subscriptions of the organisation. Its
// exported methods are safe for concurrent use. So are impersonated and findBy.
// All others require that the caller holds mu, as every operation does while it
// runs.
type Store struct {
	now func() time.Time

	mu            sync.Mutex
	mailboxes     []*mailbox
	groups        map[string][]string // members of the groups, by the group's address in lower case
	grants        map[[2]string]bool  // pairs {user, owner} of primary addresses in lower case: the user may open the owner's mailbox
	subscriptions map[string]*subscription
	executed      map[string]int // number of runs, by operation
	changes       int            // number of changes so far, from which items, history entries and watermarks get their numbers
	news          broadcast      // wakes the goroutines that wait for the next event
}

func newStore(now func() time.Time) *Store {
	return &Store{
		now:           now,
		groups:        map[string][]string{},
		grants:        map[[2]string]bool{},
		subscriptions: map[string]*subscription{},
		executed:      map[string]int{},
	}
}

// AddMailbox adds a mailbox. It fills in the UPN, the SID and the GUID if they are
// empty, and returns the mailbox with them.
func (s *Store) AddMailbox(m Mailbox) Mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.UPN == "" {
		m.UPN = m.Primary
	}
	if m.SID == "" {
		m.SID = fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1101+len(s.mailboxes))
	}
	if m.GUID == "" {
		m.GUID = service.NewGUID()
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
	s.mailboxes = append(s.mailboxes, box)
	return m
}

// Mailboxes returns the mailboxes that Exchange has.
func (s *Store) Mailboxes() []Mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Mailbox
	for _, m := range s.mailboxes {
		list = append(list, m.Mailbox)
	}
	return list
}

// AddGroup adds a mail-enabled group, or replaces it. Members are the addresses of
// mailboxes and of other groups; any other address is a contact.
func (s *Store) AddGroup(address string, members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[strings.ToLower(address)] = members
}

// Permit gives the user of one mailbox full access to another, by primary
// addresses. Without this access Exchange refuses to open the other mailbox's
// folders.
func (s *Store) Permit(user, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[[2]string{strings.ToLower(user), strings.ToLower(owner)}] = true
}

// Deliver puts a message into the inbox of the mailbox with the address, which may
// be an alias. It reports whether there is such a mailbox.
func (s *Store) Deliver(address, subject string) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byAddress(address)
	if m == nil {
		return false
	}
	i := &item{class: "Message", created: now, fields: []*node{leaf("Subject", subject)}}
	s.put(m.folder("inbox"), i, "NewMailEvent")
	return true
}

// Subjects returns the sorted subjects of the items in a folder of the mailbox
// with the address. folder is "inbox", "sentitems", "drafts" or the like. Subjects
// returns nil if there is no such mailbox.
func (s *Store) Subjects(address, folder string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byAddress(address)
	if m == nil {
		return nil
	}
	var list []string
	for _, i := range m.itemsOf(m.folder(folder)) {
		list = append(list, i.subject())
	}
	slices.Sort(list)
	return list
}

// AttachmentID returns the identifier of an attachment in the mailbox with the
// address, or "" if there is no such mailbox. GetAttachment returns filler text
// for it.
func (s *Store) AttachmentID(address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.byAddress(address); m != nil {
		return mailboxID("A", m.GUID, "1")
	}
	return ""
}

// Executed returns how often an operation ran, by the local name of the Body's
// element. It counts an operation even if its response was lost.
func (s *Store) Executed(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.executed[operation]
}

func (s *Store) byAddress(address string) *mailbox {
	for _, m := range s.mailboxes {
		if m.has(address) {
			return m
		}
	}
	return nil
}

func (s *Store) byGUID(guid string) *mailbox {
	for _, m := range s.mailboxes {
		if m.GUID == guid {
			return m
		}
	}
	return nil
}

// impersonated returns the mailbox that a request impersonates, or the fault that
// the client gets in place of the operation's response.
func (s *Store) impersonated(h *head) (*mailbox, *fault) {
	if f := h.check(); f != nil {
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
		return s.findBy("PrincipalName", id.value, func(m *mailbox) bool { return strings.EqualFold(m.UPN, id.value) })
	case "SID":
		return s.findBy("SID", id.value, func(m *mailbox) bool { return strings.EqualFold(m.SID, id.value) })
	}
	box, f := s.findBy("SmtpAddress", id.value, func(m *mailbox) bool { return m.has(id.value) })
	if f == nil && id.form == "PrimarySmtpAddress" && !strings.EqualFold(box.Primary, id.value) {
		return nil, &fault{"ErrorNonPrimarySmtpAddress", "The primary SMTP address must be specified when referencing a mailbox.", [][2]string{{"Primary", box.Primary}}}
	}
	return box, f
}

func (s *Store) findBy(form, value string, match func(*mailbox) bool) (*mailbox, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mailboxes {
		if match(m) {
			return m, nil
		}
	}
	return nil, &fault{"ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.", [][2]string{{form, value}}}
}

// put adds a new or moved item to a folder and gives it a new identifier.
func (s *Store) put(f *folder, i *item, event string) {
	i.id, i.folder = mailboxID("I", f.owner.GUID, strconv.Itoa(s.nextChange())), f
	f.owner.items[i.id] = i
	s.changed(i, "Create", event)
}

// take removes an item from its folder.
func (s *Store) take(i *item, event string) {
	delete(i.folder.owner.items, i.id)
	s.changed(i, "Delete", event)
}

func (s *Store) changed(i *item, kind, event string) {
	i.folder.log = append(i.folder.log, change{s.nextChange(), kind, i.id})
	s.publish(i, event)
}

// noteFolder adds an entry to the history of a mailbox's folders.
func (s *Store) noteFolder(f *folder, kind string) {
	f.owner.log = append(f.owner.log, change{s.nextChange(), kind, f.name})
}

// publish renders an event with the given name for every subscription that covers the item.
func (s *Store) publish(i *item, name string) {
	for _, sub := range s.subscriptions {
		if sub.folders[i.folder] {
			mark := watermark(s.nextChange())
			sub.events = append(sub.events, event{mark, fmt.Sprintf(`<t:%s><t:Watermark>%s</t:Watermark><t:TimeStamp>%s</t:TimeStamp>%s<t:ParentFolderId Id="%s"/></t:%[1]s>`,
				name, mark, s.now().UTC().Format(time.RFC3339), i.idXML(), i.folder.id)})
		}
	}
	s.news.wake()
}

// nextChange counts a change and returns its number.
func (s *Store) nextChange() int {
	s.changes++
	return s.changes
}

// A broadcast wakes all goroutines that wait for the next event. The zero value
// is ready to use.
type broadcast struct{ ch chan struct{} }

// next returns a channel that the next call of wake closes.
func (b *broadcast) next() <-chan struct{} {
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) wake() {
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
