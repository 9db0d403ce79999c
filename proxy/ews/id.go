package ews

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// An IDKind classifies EWS ids by how they name their mailbox.
type IDKind uint8

// The kinds of ids. They group the id storage types of [MS-OXWSITEMID] section
// 2.2.4.
const (
	UnknownID      IDKind = iota // not in a known format, or cut short
	MailboxGUIDID                // an item, folder, attachment or conversation; the id contains the GUID of the mailbox
	MailboxSMTPID                // an item or folder; the id contains the SMTP address of the mailbox, as ids of Exchange 2007 do
	PublicFolderID               // a public folder or an item in a public folder
	DirectoryID                  // an object of the directory, such as a person
	SubscriptionID               // a subscription, in an older format that has no mailbox

	// IrregularID is an id in a known format, but the form of its mailbox is
	// irregular, such as a GUID in braces. Exchange may accept such a form but
	// does not issue it.
	IrregularID
)

// An IDMailbox is the mailbox that an id belongs to, which is the mailbox that
// Exchange opens for a request with the id.
type IDMailbox struct {
	Kind IDKind
	GUID GUID   // ExchangeGuid or ArchiveGuid of the mailbox, for MailboxGUIDID
	SMTP string // address of the mailbox, for MailboxSMTPID
}

// Limits of an id. [MS-OXWSCDATA] allows 512 characters; the rest is for white
// space, which Exchange ignores in base64.
const (
	maxID      = 4 << 10
	maxMoniker = 256 // bytes of an SMTP address in an id
)

// The storage types of an id.
const (
	storageItemSMTP = iota
	storagePublicFolder
	storagePublicFolderItem
	storageItemGUID
	storageConversation
	storageDirectoryObject
	storageConversationWithFallback // used by Exchange 2016
)

// Lengths for reading the head of an id. A decoded head consists of a storage
// type (1 byte), a length (2 bytes), and a GUID or an address as text. The
// scratch sizes are numbers of raw bytes that always contain the whole head.
// The first raw byte says whether the id is compressed. In the compressed form,
// two equal bytes take three bytes.
const (
	guidHead    = 1 + 2 + 36
	guidScratch = 63  // at least 1 + guidHead*3/2; a multiple of 3 because of base64
	longScratch = 390 // at least 1 + (maxMoniker+3)*3/2; a multiple of 3
)

// MailboxOfID reads the mailbox from an EWS id in the form of an attribute such
// as the Id of ItemId. It reads only the part of the id from which Exchange
// finds the mailbox. It does no I/O and keeps no reference to id. An id that is
// too long is irregular, because it may be a valid id with much white space.
func MailboxOfID(id []byte) IDMailbox {
	if len(id) > maxID {
		return IDMailbox{Kind: IrregularID}
	}
	var head [guidHead]byte
	var chars [guidScratch / 3 * 4]byte
	var raw [guidScratch]byte
	return mailboxOfHead(idHead(head[:0], id, chars[:], raw[:]), id)
}

// mailboxOfHead reads the mailbox from head, which has room for a GUID only. If
// the id contains an address, mailboxOfHead decodes a longer head from id.
func mailboxOfHead(head, id []byte) IDMailbox {
	if len(head) == 0 {
		return IDMailbox{}
	}
	switch head[0] {
	case storagePublicFolder, storagePublicFolderItem:
		return IDMailbox{Kind: PublicFolderID}
	case storageDirectoryObject:
		return IDMailbox{Kind: DirectoryID}
	case storageItemGUID, storageConversation, storageConversationWithFallback:
		text, complete := moniker(head)
		if guid, err := parseGUID(text); err == nil {
			return IDMailbox{Kind: MailboxGUIDID, GUID: guid}
		}
		if complete {
			return IDMailbox{Kind: IrregularID}
		}
	case storageItemSMTP:
		long := idHead(make([]byte, 0, maxMoniker+3), id, make([]byte, longScratch/3*4), make([]byte, longScratch))
		text, complete := moniker(long)
		if len(text) > 0 {
			return IDMailbox{Kind: MailboxSMTPID, SMTP: string(text)}
		}
		if complete {
			return IDMailbox{Kind: IrregularID}
		}
	}
	return IDMailbox{}
}

// moniker returns the text of a head. The text follows the storage type and two
// bytes with its length. moniker returns no text if the text is empty, or if
// head does not contain all of it. complete is false if head ends early because
// the id does, and not because the text is longer than a head may be.
func moniker(head []byte) (text []byte, complete bool) {
	if len(head) < 3 {
		return nil, false
	}
	n := int(head[1]) | int(head[2])<<8
	if n <= len(head)-3 {
		return head[3 : 3+n], true
	}
	return nil, n > cap(head)-3
}

// idHead decodes the beginning of an id, without the compression byte, and
// appends it to dst up to the capacity of dst. It returns nil if id cannot be the
// beginning of an EWS id. chars and raw are scratch buffers.
func idHead(dst, id, chars, raw []byte) []byte {
	n := copyBase64(chars, id)
	m, err := base64.StdEncoding.Decode(raw, chars[:n])
	if err != nil || m == 0 {
		return nil
	}
	switch raw[0] {
	case 0:
		return append(dst, raw[1:min(m, 1+cap(dst))]...)
	case 1:
		return expand(dst, raw[1:m])
	}
	return nil
}

// copyBase64 copies text to dst without white space, until dst is full.
// Convert.FromBase64String of .NET also ignores white space. copyBase64 returns
// the number of bytes copied.
func copyBase64(dst, text []byte) (n int) {
	for _, c := range text {
		if n == len(dst) {
			break
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			dst[n] = c
			n++
		}
	}
	return n
}

// expand reverses the run-length encoding of an id, in which two equal bytes
// are followed by the number of further equal bytes. It appends to dst until
// dst is full. It returns nil if p ends before that number.
func expand(dst, p []byte) []byte {
	for i := 0; i < len(p) && len(dst) < cap(dst); i++ {
		dst = append(dst, p[i])
		if i+1 == len(p) || p[i+1] != p[i] {
			continue
		}
		if i+2 >= len(p) {
			return nil
		}
		for range min(1+int(p[i+2]), cap(dst)-len(dst)) {
			dst = append(dst, p[i])
		}
		i += 2
	}
	return dst
}

// MailboxOfSubscription reads the mailbox from the id of a notification
// subscription in the form of SubscriptionId. The id is base64 of the name of a
// back end, a GUID, a time and the GUID of the mailbox. Each part except the
// time is preceded by its length. There are three older formats: one without
// the mailbox, one without time and mailbox, and a GUID as text. For them the
// Kind is SubscriptionID.
func MailboxOfSubscription(id []byte) IDMailbox {
	if len(id) > maxID {
		return IDMailbox{}
	}
	text := make([]byte, len(id))
	text = text[:copyBase64(text, id)]
	if _, err := parseGUID(text); err == nil {
		return IDMailbox{Kind: SubscriptionID}
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(raw) < 2 {
		return IDMailbox{}
	}
	name := int(raw[0]) | int(raw[1])<<8
	rest := raw[min(2+name, len(raw)):]
	const (
		withGUID    = 4 + 16
		withTime    = withGUID + 8
		withMailbox = withTime + 4 + 16
	)
	switch n := len(rest); {
	case n < withGUID || !isLength16(rest):
	case n == withGUID, n == withTime:
		return IDMailbox{Kind: SubscriptionID}
	case n >= withMailbox && isLength16(rest[withTime:]):
		return IDMailbox{Kind: MailboxGUIDID, GUID: fromDotNet(rest[withTime+4:])}
	}
	return IDMailbox{}
}

// isLength16 reports whether p begins with the number 16 in four bytes.
func isLength16(p []byte) bool { return binary.LittleEndian.Uint32(p) == 16 }

// A GUID identifies a mailbox. It is comparable.
type GUID [16]byte

// ParseGUID parses the form 8-4-4-4-12 in hexadecimal digits of any case. It
// returns an error for any other form.
func ParseGUID(s string) (GUID, error) { return parseGUID([]byte(s)) }

var errGUID = errors.New("a GUID is written 8-4-4-4-12, in hexadecimal digits")

func parseGUID(s []byte) (g GUID, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return GUID{}, errGUID
	}
	var digits [32]byte
	copy(digits[:], s[:8])
	copy(digits[8:], s[9:13])
	copy(digits[12:], s[14:18])
	copy(digits[16:], s[19:23])
	copy(digits[20:], s[24:])
	if _, err := hex.Decode(g[:], digits[:]); err != nil {
		return GUID{}, errGUID
	}
	return g, nil
}

// fromDotNet returns the GUID that .NET writes as the first 16 bytes of p. The
// first three groups are little-endian.
func fromDotNet(p []byte) (g GUID) {
	copy(g[:], p)
	g[0], g[1], g[2], g[3] = p[3], p[2], p[1], p[0]
	g[4], g[5] = p[5], p[4]
	g[6], g[7] = p[7], p[6]
	return g
}

// String returns the form 8-4-4-4-12 in lower case.
func (g GUID) String() string {
	var s [36]byte
	hex.Encode(s[:], g[:4])
	hex.Encode(s[9:], g[4:6])
	hex.Encode(s[14:], g[6:8])
	hex.Encode(s[19:], g[8:10])
	hex.Encode(s[24:], g[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
