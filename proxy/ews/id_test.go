package ews_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// GUIDs of mailboxes, for ids.
const (
	alice = "4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4"
	bob   = "ffffffff-0000-4000-8000-aaaaaaaaaaaa" // contains long runs of equal characters, which the encoding of ids compresses
	pairs = "11223344-1122-3344-5566-778899aabbcc" // consists of pairs of equal characters; the encoding of ids makes it longer, because it stores a pair as three bytes
)

// encodeID encodes an id as [MS-OXWSITEMID] section 2.2.4 describes. If
// compressed is true, the id is in the run-length encoding.
func encodeID(storage byte, moniker string, tail []byte, compressed bool) string {
	body := append([]byte{storage}, binary.LittleEndian.AppendUint16(nil, uint16(len(moniker)))...)
	body = append(append(body, moniker...), tail...)
	if !compressed {
		return base64.StdEncoding.EncodeToString(append([]byte{0}, body...))
	}
	out := []byte{1}
	for i := 0; i < len(body); {
		n := 1
		for i+n < len(body) && body[i+n] == body[i] && n < 257 {
			n++
		}
		out = append(out, body[i])
		if n > 1 {
			out = append(out, body[i], byte(n-2))
		}
		i += n
	}
	return base64.StdEncoding.EncodeToString(out)
}

// storeID returns the part of an item's id that follows the moniker: an
// instruction, the length of the store's entry id, and the entry id.
func storeID() []byte {
	entry := bytes.Repeat([]byte{0, 0, 0, 0x2e, 0xc0}, 14)
	return append([]byte{0, byte(len(entry)), 0}, entry...)
}

func TestMailboxOfID(t *testing.T) {
	guid := func(s string) ews.IDMailbox {
		g, err := ews.ParseGUID(s)
		if err != nil {
			t.Fatal(err)
		}
		return ews.IDMailbox{Kind: ews.MailboxGUIDID, GUID: g}
	}
	irregular := ews.IDMailbox{Kind: ews.IrregularID}
	item := encodeID(3, alice, storeID(), false)
	for _, test := range []struct {
		name, id string
		want     ews.IDMailbox
	}{
		{"item", item, guid(alice)},
		{"item, compressed", encodeID(3, bob, storeID(), true), guid(bob)},
		{"item of pairs, compressed", encodeID(3, pairs, storeID(), true), guid(pairs)},
		{"item, upper-case GUID", encodeID(3, strings.ToUpper(alice), storeID(), false), guid(alice)},
		{"conversation", encodeID(4, alice, storeID(), false), guid(alice)},
		{"conversation with fallback", encodeID(6, alice, storeID(), true), guid(alice)},
		{"item of Exchange 2007", encodeID(0, "bob@contoso.com", storeID(), false), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: "bob@contoso.com"}},
		{"item of Exchange 2007, compressed", encodeID(0, "boooob@contoso.com", storeID(), true), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: "boooob@contoso.com"}},
		{"longest address", encodeID(0, strings.Repeat("ab", 127)+"@x", nil, true), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: strings.Repeat("ab", 127) + "@x"}},
		{"longest address of pairs", encodeID(0, strings.Repeat("aabb", 64), nil, true), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: strings.Repeat("aabb", 64)}},
		{"item of Exchange 2007, longer than any head", encodeID(0, "bob@contoso.com", bytes.Repeat([]byte{1, 2, 3}, 400), false), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: "bob@contoso.com"}},
		{"item, longer than any head", encodeID(3, alice, bytes.Repeat([]byte{1, 2, 3}, 400), false), guid(alice)},
		{"address of one character", encodeID(0, "b", storeID(), false), ews.IDMailbox{Kind: ews.MailboxSMTPID, SMTP: "b"}},
		{"public folder", encodeID(1, "x", nil, false), ews.IDMailbox{Kind: ews.PublicFolderID}},
		{"public folder item", encodeID(2, "x", nil, false), ews.IDMailbox{Kind: ews.PublicFolderID}},
		{"directory object", encodeID(5, "x", nil, false), ews.IDMailbox{Kind: ews.DirectoryID}},
		{"white space, which .NET ignores", " \t" + item[:7] + "\r\n" + item[7:] + " ", guid(alice)},

		{"empty", "", ews.IDMailbox{}},
		{"a placeholder", "DUMMY", ews.IDMailbox{}},
		{"not base64", "%%%%" + item, ews.IDMailbox{}},
		{"base64 for URLs", "-_-_" + item, ews.IDMailbox{}},
		{"unknown storage type", encodeID(7, alice, storeID(), false), ews.IDMailbox{}},
		{"unknown compression", base64.StdEncoding.EncodeToString([]byte("\x02\x03\x24\x00" + alice)), ews.IDMailbox{}},
		{"GUID cut short", item[:48], ews.IDMailbox{}},
		{"length cut short", base64.StdEncoding.EncodeToString([]byte("\x00\x03\x24")), ews.IDMailbox{}},
		{"no byte", "====", ews.IDMailbox{}},
		{"compression byte alone", base64.StdEncoding.EncodeToString([]byte("\x00")), ews.IDMailbox{}},
		{"compression byte alone, compressed", base64.StdEncoding.EncodeToString([]byte("\x01")), ews.IDMailbox{}},
		{"storage type alone", base64.StdEncoding.EncodeToString([]byte("\x00\x03")), ews.IDMailbox{}},
		{"storage type of a public folder alone", base64.StdEncoding.EncodeToString([]byte("\x00\x01")), ews.IDMailbox{Kind: ews.PublicFolderID}},
		{"address cut short", encodeID(0, "bob@contoso.com", nil, false)[:16], ews.IDMailbox{}},
		{"run without a count", base64.StdEncoding.EncodeToString([]byte("\x01\x03\x03")), ews.IDMailbox{}},

		// Exchange passes the moniker, which has up to 50 bytes, to the
		// constructor of .NET's Guid. The constructor accepts all of these
		// forms, but Exchange issues only the form 8-4-4-4-12.
		{"GUID without dashes", encodeID(3, strings.ReplaceAll(alice, "-", ""), storeID(), false), irregular},
		{"GUID without dashes, compressed", encodeID(4, strings.ReplaceAll(bob, "-", ""), storeID(), true), irregular},
		{"GUID without dashes, as long as one with them", encodeID(3, strings.ReplaceAll(alice, "-", "")+"    ", storeID(), false), irregular},
		{"GUID in braces", encodeID(3, "{"+alice+"}", storeID(), false), irregular},
		{"GUID in parentheses", encodeID(6, "("+alice+")", storeID(), true), irregular},
		{"GUID after a space", encodeID(3, " "+alice, storeID(), false), irregular},
		{"GUID with a prefix for hexadecimal numbers", encodeID(3, "0xaabbcc"+alice[8:], storeID(), false), irregular},
		{"GUID with a sign", encodeID(3, "+"+alice[1:], storeID(), false), irregular},
		{"GUID with a letter", encodeID(3, "g"+alice[1:], storeID(), false), irregular},
		{"no GUID", encodeID(3, "", storeID(), false), irregular},
		{"no GUID and nothing after it", encodeID(3, "", nil, false), irregular},
		{"negative length", base64.StdEncoding.EncodeToString([]byte("\x00\x03\xff\xff" + alice)), irregular},
		{"length of 37, cut short", base64.StdEncoding.EncodeToString([]byte("\x00\x03\x25\x00" + alice)), irregular},
		{"address too long", encodeID(0, strings.Repeat("a", 257), nil, false), irregular},
		{"address too long, compressed", encodeID(0, strings.Repeat("ab", 128)+"c", nil, true), irregular},
		{"address too long, of one run", encodeID(0, strings.Repeat("a", 257), nil, true), irregular},
		{"empty address", encodeID(0, "", nil, false), irregular},
		{"too long", strings.Repeat(" ", 4<<10-len(item)+1) + item, irregular},
		{"as long as an id may be", strings.Repeat(" ", 4<<10-len(item)) + item, guid(alice)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ews.MailboxOfID([]byte(test.id)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestMailboxOfSubscription(t *testing.T) {
	// The GUID in the constant alice, as .NET's Guid.ToByteArray writes it.
	mailbox := "\x7a\xfe\x3b\x4a\x60\x0a\x27\x4d\xa2\x1a\x6c\x1d\xfd\x14\xe3\xa4"
	head := "\x10\x00ex01.contoso.com" + "\x10\x00\x00\x00" + strings.Repeat("\x01", 16)
	time := "\x01\x02\x03\x04\x05\x06\xd0\x08"
	long := head + time + "\x10\x00\x00\x00" + mailbox
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const sixteen = "\x10\x00\x00\x00"
	for i := range len(sixteen) { // a wrong length before the GUID, and a wrong length before the mailbox
		for _, bit := range []byte{1, 0x80} {
			other := []byte(sixteen)
			other[i] ^= bit
			for _, text := range []string{strings.Replace(long, sixteen, string(other), 1), head + time + string(other) + mailbox} {
				if got := ews.MailboxOfSubscription([]byte(encode(text))); got != (ews.IDMailbox{}) {
					t.Errorf("with the length %x: %+v", other, got)
				}
			}
		}
	}
	for _, test := range []struct {
		name, id string
		kind     ews.IDKind
	}{
		{"with a mailbox", encode(long), ews.MailboxGUIDID},
		{"white space, which .NET ignores", " " + encode(long)[:9] + " \t\r\n" + encode(long)[9:], ews.MailboxGUIDID},
		{"with more behind", encode(long + "\x00"), ews.MailboxGUIDID},
		{"long name of the back end", encode("\x04\x01" + strings.Repeat("x", 0x104) + long[2+16:]), ews.MailboxGUIDID},
		{"without a mailbox", encode(head + time), ews.SubscriptionID},
		{"without a mailbox, white space", encode(head + time)[:4] + " " + encode(head + time)[4:], ews.SubscriptionID},
		{"without a mailbox and time", encode(head), ews.SubscriptionID},
		{"a GUID alone", alice, ews.SubscriptionID},
		{"a part of a mailbox", encode(long[:len(long)-1]), ews.UnknownID},
		{"another length of the mailbox", encode(head + time + "\x0f\x00\x00\x00" + mailbox), ews.UnknownID},
		{"another length of the GUID", encode(strings.Replace(long, "\x10\x00\x00\x00", "\x10\x00\x00\x01", 1)), ews.UnknownID},
		{"not base64", "?" + encode(long), ews.UnknownID},
		{"empty", "", ews.UnknownID},
		{"one byte", "AA==", ews.UnknownID},
		{"two bytes", encode("\x00\x00"), ews.UnknownID},
		{"no name of the back end", encode("\x00\x00" + long[2+16:]), ews.MailboxGUIDID},
		{"a part of a GUID", encode(head[:len(head)-1]), ews.UnknownID},
		{"a part of a time", encode((head + time)[:len(head+time)-1]), ews.UnknownID},
		{"a GUID and a part of a length", encode(head + "\x01"), ews.UnknownID},
		{"length beyond the end", encode("\xff\xff" + long), ews.UnknownID},
		{"too long", strings.Repeat(" ", 4<<10-len(encode(long))+1) + encode(long), ews.UnknownID},
		{"as long as an id may be", strings.Repeat(" ", 4<<10-len(encode(long))) + encode(long), ews.MailboxGUIDID},
	} {
		got := ews.MailboxOfSubscription([]byte(test.id))
		if got.Kind != test.kind || test.kind == ews.MailboxGUIDID && got.GUID.String() != alice {
			t.Errorf("%s: %+v, want kind %d", test.name, got, test.kind)
		}
	}
}

// TestCollectedIDs reads ids that were published in documentation, samples and
// bug reports. Many are shortened. Every id that is complete as [MS-OXWSITEMID]
// defines it must yield its mailbox. The expected numbers were counted with a
// separate program that shares no code with MailboxOfID and wholeID.
func TestCollectedIDs(t *testing.T) {
	text, err := os.ReadFile("../../../shared/field/ids.tsv")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("NOT TESTED: the collected ids are not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	places, guids := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(text)) {
		place, id, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !strings.Contains(place, "@") {
			if got := ews.MailboxOfSubscription([]byte(id)); place == "SubscriptionId" && got.Kind != ews.SubscriptionID {
				t.Errorf("the subscription %s is read as %+v", id, got)
			}
			continue // a subscription, a watermark or a synchronisation state
		}
		storage, moniker, complete := wholeID(id)
		if !complete {
			continue
		}
		got := ews.MailboxOfID([]byte(id))
		want := map[byte]ews.IDKind{0: ews.MailboxSMTPID, 1: ews.PublicFolderID, 2: ews.PublicFolderID, 3: ews.MailboxGUIDID, 4: ews.MailboxGUIDID, 5: ews.DirectoryID, 6: ews.MailboxGUIDID}[storage]
		if got.Kind != want || want == ews.MailboxGUIDID && got.GUID.String() != moniker || want == ews.MailboxSMTPID && got.SMTP != moniker {
			t.Errorf("%s %s: %+v, want kind %d and %s", place, id, got, want, moniker)
		}
		places[fmt.Sprint(place, " ", storage)]++
		if want == ews.MailboxGUIDID {
			guids[moniker]++
		}
	}
	if want := map[string]int{
		"ItemId/@Id 3": 19, "AttachmentId/@Id 3": 21, "ConversationId/@Id 4": 14, "ParentFolderId/@Id 3": 8, "FolderId/@Id 3": 6,
		"FolderId/@Id 1": 3, "PersonaId/@Id 4": 2, "PersonaId/@Id 5": 1,
	}; !maps.Equal(places, want) {
		t.Errorf("complete ids by place and storage type: %v, want %v", places, want)
	}
	if want := map[string]int{
		"39659dff-9557-466a-9200-496f9c0f66a0": 3, "40b266d3-dc8b-4720-b1a6-fb1d1e94409c": 44, "5f7533c6-6588-4b05-95e0-1932a5da5b3e": 12,
		"859e0872-883c-4021-9b24-29dc9958697c": 3, "9362c853-fa03-45d1-9d7c-ef09db45f783": 6, "d522c10d-78ce-4097-8f59-b71634cdfdda": 2,
	}; !maps.Equal(guids, want) {
		t.Errorf("mailboxes of the ids: %v, want %v", guids, want)
	}
}

// wholeID decodes all of an id as [MS-OXWSITEMID] section 2.2.4 describes.
// complete is false if the id is cut short or contains further bytes.
func wholeID(id string) (storage byte, moniker string, complete bool) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) < 2 || raw[0] > 1 {
		return 0, "", false
	}
	body := raw[1:]
	if raw[0] == 1 {
		if body, complete = unpack(body, 1024); !complete {
			return 0, "", false
		}
	}
	complete = true
	take := func() []byte {
		if len(body) < 2 || int(binary.LittleEndian.Uint16(body)) > len(body)-2 {
			complete = false
			return nil
		}
		n := 2 + int(binary.LittleEndian.Uint16(body))
		part := body[2:n]
		body = body[n:]
		return part
	}
	instruction := func() {
		if len(body) == 0 || body[0] > 3 {
			complete = false
			return
		}
		body = body[1:]
	}
	storage, body = body[0], body[1:]
	switch storage {
	case 0, 3, 4, 6:
		moniker = string(take())
		instruction()
		take()
	case 1, 5:
		take()
	case 2:
		instruction()
		take()
		take()
	default:
		return 0, "", false
	}
	if complete && len(body) > 0 { // the id of an attachment, which contains further ids
		n := body[0]
		body = body[1:]
		for range n {
			take()
		}
		complete = complete && n > 0
	}
	return storage, moniker, complete && len(body) == 0
}

// unpack reverses the run-length encoding of an id. It stops when the length of
// out has reached the argument "most". ok is false if p is cut short.
func unpack(p []byte, most int) (out []byte, ok bool) {
	for len(p) > 0 && len(out) < most {
		if len(p) == 1 || p[0] != p[1] {
			out, p = append(out, p[0]), p[1:]
			continue
		}
		if len(p) == 2 {
			return nil, false
		}
		out, p = append(out, bytes.Repeat(p[:1], 2+int(p[2]))...), p[3:]
	}
	return out, true
}

func TestParseGUID(t *testing.T) {
	g, err := ews.ParseGUID(strings.ToUpper(alice))
	if err != nil || g.String() != alice {
		t.Errorf("ParseGUID = %v, %v", g, err)
	}
	for _, s := range []string{"", alice[1:], "{" + alice + "}", strings.ReplaceAll(alice, "-", ""), "4a3bfe7a-0a60-4d27-a21a6-c1dfd14e3a4", "4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3ag"} {
		if _, err := ews.ParseGUID(s); err == nil {
			t.Errorf("ParseGUID accepts %q", s)
		}
	}
}

// FuzzMailboxOfID compares MailboxOfID with slowGUID, which decodes the whole
// id, for any text. It also encodes addresses, GUIDs and subscriptions, and
// checks that they are decoded to the same values.
func FuzzMailboxOfID(f *testing.F) {
	for _, id := range []string{encodeID(3, alice, storeID(), false), encodeID(3, bob, storeID(), true), encodeID(0, "a@b", nil, true), "AQEBAQ==", "AAMkA", ""} {
		f.Add(id, byte(3), true)
	}
	f.Fuzz(func(t *testing.T, id string, storage byte, compressed bool) {
		got := ews.MailboxOfID([]byte(id))
		if want, ok := slowGUID(id); ok && (got.Kind != ews.MailboxGUIDID || got.GUID.String() != want) {
			t.Fatalf("%q: got %+v, want %s", id, got, want)
		} else if !ok && got.Kind == ews.MailboxGUIDID {
			if _, err := base64.StdEncoding.DecodeString(id); err == nil {
				t.Fatalf("%q: got %v, which is not in it", id, got.GUID)
			}
		}
		if n := len(id); n > 0 && n <= 256 {
			back := ews.MailboxOfID([]byte(encodeID(0, id, storeID(), compressed)))
			if back.Kind != ews.MailboxSMTPID || back.SMTP != id {
				t.Fatalf("%q is read back as %+v", id, back)
			}
		}
		var g ews.GUID
		copy(g[:], id)
		if back := ews.MailboxOfID([]byte(encodeID(3+storage%2, g.String(), storeID(), compressed))); back.GUID != g {
			t.Fatalf("%v is read back as %+v", g, back)
		}
		if n := len(id); n <= 1024 {
			subscription := string(binary.LittleEndian.AppendUint16(nil, uint16(n))) + id + "\x10\x00\x00\x00" + strings.Repeat("g", 16) +
				"ticks of" + "\x10\x00\x00\x00" + strings.Repeat("m", 16)
			back := ews.MailboxOfSubscription([]byte(base64.StdEncoding.EncodeToString([]byte(subscription))))
			if back.Kind != ews.MailboxGUIDID || back.GUID.String() != "6d6d6d6d-6d6d-6d6d-6d6d-6d6d6d6d6d6d" {
				t.Fatalf("a subscription of the back end %q is read as %+v", id, back)
			}
		}
		ews.MailboxOfSubscription([]byte(id))
		spaced := strings.Join(strings.Split(id, ""), " ")
		if len(spaced) <= 4<<10 {
			if back := ews.MailboxOfID([]byte(spaced)); back != got {
				t.Fatalf("%q with white space is read as %+v, without as %+v", id, back, got)
			}
		}
	})
}

// slowGUID returns the GUID of a mailbox from an id without white space. It
// decodes the whole id. It returns false if the id contains no such GUID.
func slowGUID(id string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) < 2 || len(id) > 4<<10 || raw[0] > 1 {
		return "", false
	}
	body := raw[1:]
	if raw[0] == 1 {
		if body, _ = unpack(body, 40); body == nil {
			return "", false
		}
	}
	if len(body) < 39 || body[0] != 3 && body[0] != 4 && body[0] != 6 || body[1] != 36 || body[2] != 0 {
		return "", false
	}
	g, err := ews.ParseGUID(string(body[3:39]))
	return g.String(), err == nil
}

func BenchmarkMailboxOfID(b *testing.B) {
	for name, id := range map[string]string{"plain": encodeID(3, alice, storeID(), false), "compressed": encodeID(3, alice, storeID(), true)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			text := []byte(id)
			for b.Loop() {
				if ews.MailboxOfID(text).Kind != ews.MailboxGUIDID {
					b.Fatal("not read")
				}
			}
		})
	}
}

func ExampleMailboxOfID() {
	id := "AAMkADRhM2JmZTdhLTBhNjAtNGQyNy1hMjFhLTZjMWRmZDE0ZTNhNABGAAAAAAA="
	fmt.Println(ews.MailboxOfID([]byte(id)).GUID)
	// Output: 4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4
}

// TestParseGUIDPlaces changes each character of a GUID. ParseGUID must refuse
// the result unless it is a GUID.
func TestParseGUIDPlaces(t *testing.T) {
	for _, s := range []string{alice, strings.ToUpper(alice), bob} {
		if g, err := ews.ParseGUID(s); err != nil || g.String() != strings.ToLower(s) {
			t.Errorf("%s: %v, %v", s, g, err)
		}
	}
	for i := range alice {
		for _, c := range []string{"-", "0", "g", "", "00"} {
			s := alice[:i] + c + alice[i+1:]
			if (c == "-") == (alice[i] == '-') && len(s) == len(alice) && c != "g" {
				continue // the result is a GUID
			}
			if g, err := ews.ParseGUID(s); err == nil || g != (ews.GUID{}) {
				t.Errorf("%s: %v, %v", s, g, err)
			}
		}
	}
}
