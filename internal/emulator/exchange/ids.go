package exchange

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"hmaproxy/internal/emulator/service"
)

// The formats of Exchange's ids are published in [MS-OXWSITEMID].

// mailboxItem is the storage type of the id of a folder, an item or an attachment.
const mailboxItem = 3

// mailboxID returns the id of a folder ("F"), an item ("I") or an attachment
// ("A") in the mailbox with the GUID. The id contains a store id. A store id
// of Exchange is a MAPI entry id; a store id of the emulator contains kind and name.
func mailboxID(kind, guid, name string) string {
	entry := append(make([]byte, 4), fromGUID(guid)...) // flags and provider
	entry = append(append(entry, kind...), name...)
	id := binary.LittleEndian.AppendUint16([]byte{mailboxItem}, uint16(len(guid)))
	id = append(append(id, guid...), 0) // 0: the item itself, not an occurrence
	id = append(binary.LittleEndian.AppendUint16(id, uint16(len(entry))), entry...)
	if kind == "A" {
		id = append(id, 1) // number of attachment ids that follow
		id = append(binary.LittleEndian.AppendUint16(id, uint16(len(name))), name...)
	}
	if packed := compress(id); len(packed) < len(id) {
		return base64.StdEncoding.EncodeToString(append([]byte{1}, packed...))
	}
	return base64.StdEncoding.EncodeToString(append([]byte{0}, id...))
}

// parseMailboxID returns kind, GUID and name from an id that mailboxID made, or
// nil.
func parseMailboxID(id string) []string {
	raw, err := fromBase64(id)
	if err != nil || len(raw) < 2 {
		return nil
	}
	body := raw[1:]
	if raw[0] == 1 {
		body = decompress(body)
	}
	if len(body) < 3 || body[0] != mailboxItem {
		return nil
	}
	guid, rest := counted(body[1:])
	if len(rest) < 1 {
		return nil
	}
	entry, _ := counted(rest[1:])
	mailbox := guidOf(string(guid))
	if mailbox == "" || len(entry) < 22 {
		return nil
	}
	return []string{string(entry[20:21]), mailbox, string(entry[21:])}
}

// fromBase64 decodes like Convert.FromBase64String of .NET, which ignores white
// space.
func fromBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s))
}

// guidOf parses a GUID and returns it in lower case, in the form 8-4-4-4-12. It
// returns "" if text is not a GUID. Like the constructor of Guid in .NET, it also
// accepts a GUID that has no dashes, that is in braces or in parentheses, or that
// has white space around it.
func guidOf(text string) string {
	digits := strings.NewReplacer("-", "", "{", "", "}", "", "(", "", ")", "").Replace(strings.ToLower(strings.TrimSpace(text)))
	if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

// counted splits p. The first two bytes of p are the length of value; rest
// contains the bytes after value.
func counted(p []byte) (value, rest []byte) {
	if len(p) < 2 {
		return nil, nil
	}
	n := int(binary.LittleEndian.Uint16(p))
	if n > len(p)-2 {
		return nil, nil
	}
	return p[2 : 2+n], p[2+n:]
}

// compress encodes runs of equal bytes: two equal bytes are followed by the
// number of further equal bytes.
func compress(p []byte) []byte {
	var out []byte
	for len(p) > 0 {
		n := 1
		for n < len(p) && p[n] == p[0] && n < 257 {
			n++
		}
		out = append(out, p[0])
		if n > 1 {
			out = append(out, p[0], byte(n-2))
		}
		p = p[n:]
	}
	return out
}

func decompress(p []byte) []byte {
	var out []byte
	for len(p) > 0 {
		if len(p) < 3 || p[0] != p[1] {
			out, p = append(out, p[0]), p[1:]
			continue
		}
		out, p = append(out, bytes.Repeat(p[:1], 2+int(p[2]))...), p[3:]
	}
	return out
}

// subscriptionID returns the id of a subscription of a mailbox: the back end, a new
// GUID, a time in ticks, and the mailbox's GUID.
func subscriptionID(backEnd, guid string, ticks uint64) string {
	id := binary.LittleEndian.AppendUint16(nil, uint16(len(backEnd)))
	id = append(id, backEnd...)
	id = append(binary.LittleEndian.AppendUint32(id, 16), fromGUID(service.NewGUID())...)
	id = binary.LittleEndian.AppendUint64(id, ticks)
	id = append(binary.LittleEndian.AppendUint32(id, 16), dotNetGUID(guid)...)
	return base64.StdEncoding.EncodeToString(id)
}

// sameSubscription returns the id of a subscription in the spelling in which it
// was issued. Other spellings are accepted, because Exchange compares parsed
// ids.
func sameSubscription(id string) string {
	raw, err := fromBase64(id)
	if err != nil {
		return id
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// fromGUID returns the 16 bytes of a GUID in the order of its text.
func fromGUID(guid string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(guid, "-", ""))
	if err != nil || len(b) != 16 {
		return make([]byte, 16)
	}
	return b
}

// dotNetGUID returns the 16 bytes of a GUID as Guid.ToByteArray of .NET does: the
// first three groups are little-endian.
func dotNetGUID(guid string) []byte {
	b := fromGUID(guid)
	return append([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}, b[8:]...)
}

// opaqueID returns an identifier that only the emulator reads, such as a
// synchronisation state.
func opaqueID(parts ...string) string {
	return base64.StdEncoding.EncodeToString([]byte("AAMk" + strings.Join(parts, "|")))
}

// parseID returns the parts of an id that mailboxID or opaqueID made, or nil.
func parseID(id string) (parts []string) {
	if parts := parseMailboxID(id); parts != nil {
		return parts
	}
	b, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		return nil
	}
	text, ok := strings.CutPrefix(string(b), "AAMk")
	if !ok {
		return nil
	}
	return strings.Split(text, "|")
}
