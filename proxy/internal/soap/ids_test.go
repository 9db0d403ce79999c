package soap

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// TestMailboxOfManyIDs compares mailboxOf, which remembers the previous id, with
// ews.MailboxOfID. Each id is one of two ids, with up to two characters changed.
func TestMailboxOfManyIDs(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00\x03\x24\x00" + mailboxGUID + strings.Repeat("store", 20)))
	packed := base64.StdEncoding.EncodeToString([]byte("\x01\x03\x24\x00" + "aa\x06-aa\x02-aa\x02-aa\x02-aa\x0a" + strings.Repeat("store", 20)))
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \n"
	var r idReader
	kinds := map[ews.IDKind]int{}
	for range 20000 {
		id := []byte([...]string{plain, packed}[random.IntN(2)])
		for range random.IntN(3) {
			id[random.IntN(len(id))] = letters[random.IntN(len(letters))]
		}
		want := ews.MailboxOfID(id)
		if got := r.mailboxOf(id); got != want {
			t.Fatalf("%s: %+v, want %+v", id, got, want)
		}
		kinds[want.Kind]++
	}
	if kinds[ews.MailboxGUIDID] < 5000 || kinds[ews.UnknownID]+kinds[ews.IrregularID] < 1000 {
		t.Errorf("kinds of ids: %v", kinds)
	}
}
