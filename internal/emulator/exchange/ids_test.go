package exchange

import (
	"fmt"
	"strings"
	"testing"

	"hmaproxy/internal/emulator/service"
	"hmaproxy/proxy/ews"
)

// TestIDsAreInTheFormatOfExchange checks that the product's decoder can read
// the emulator's ids. The decoder itself was checked against ids of Exchange.
func TestIDsAreInTheFormatOfExchange(t *testing.T) {
	for i := range 1000 {
		guid := service.NewGUID()
		for _, kind := range []string{"F", "I", "A"} {
			name := fmt.Sprint(i * i)
			id := mailboxID(kind, guid, name)
			if got := ews.MailboxOfID([]byte(id)); got.Kind != ews.MailboxGUIDID || got.GUID.String() != guid {
				t.Fatalf("%s %s: %+v, want %s", kind, id, got, guid)
			}
			if parts := parseID(id); len(parts) != 3 || parts[0] != kind || parts[1] != guid || parts[2] != name {
				t.Fatalf("%s: %q", id, parts)
			}
		}
		moniker := []string{guid, strings.ReplaceAll(guid, "-", ""), "{" + guid + "}", " (" + strings.ToUpper(guid) + ") "}[i%4]
		if parts := parseID(" " + mailboxID("F", moniker, "inbox")); len(parts) != 3 || parts[1] != guid {
			t.Fatalf("a moniker that .NET reads as a GUID, %q: %q", moniker, parts)
		}
		id := subscriptionID("ex01", guid, uint64(i))
		if got := ews.MailboxOfSubscription([]byte(id)); got.GUID.String() != guid {
			t.Fatalf("subscription %s: %+v, want %s", id, got, guid)
		}
		if got := ews.MailboxOfID([]byte(opaqueID("S", guid, "1"))); got.Kind != ews.UnknownID {
			t.Fatalf("a synchronisation state is read as %+v", got)
		}
	}
}
