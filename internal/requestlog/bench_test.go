package requestlog

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
)

// millionLines writes a log of n lines, like that of a large organisation:
// 5,000 mailboxes, 20 operations, 5 clients. It returns the path of the file.
func millionLines(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	operations := []string{"GetItem", "FindItem", "SyncFolderItems", "GetFolder", "UpdateItem", "CreateItem", "FindFolder", "GetAttachment", "SyncFolderHierarchy",
		"GetEvents", "Subscribe", "Unsubscribe", "DeleteItem", "MoveItem", "ResolveNames", "GetUserAvailability", "SendItem", "ConvertId", "GetInboxRules", "GetMailTips"}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(1200 * time.Millisecond)
		fmt.Fprintf(w, `{"time":"%s","level":"INFO","msg":"request","id":"%08x-7f3c-4a11-9d0e-%012x","remote":"127.0.0.1:%d","client":"app%d","operation":"%s","mailbox":"user%04d@contoso.com","user_agent":"exchangelib/5.4.0","exchange_request_id":"%08x-1111-2222-3333-444455556666","front_end":"EX%02d","status":200,"upstream":200,"bytes_in":1482,"bytes_out":%d,"duration_ms":%d.125}`+"\n",
			at.Format(time.RFC3339Nano), i, i*7, 30000+i%20000, i%5, operations[i*i%len(operations)], i*31%5000, i, i%8, 2000+i%9000, 10+i%300)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkMillionLines reads a log of a million lines and counts it. It reports the
// time, and the memory that the process took from the system.
func BenchmarkMillionLines(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // the value that the command "hmaproxy report" sets
	path := millionLines(b, 1_000_000)
	for b.Loop() {
		counted := traffic.New(traffic.LogLimits())
		r, err := NewReader(func(rec *proxy.Record) { counted.Done(rec, outcome.Of(rec)) })
		if err != nil {
			b.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Read("log", f); err != nil {
			b.Fatal(err)
		}
		f.Close()
		if s := counted.Summary(); s.Requests() != 1_000_000 || len(s.Mailboxes) != 5000 || r.Facts().Requests != 1_000_000 {
			b.Fatalf("%d requests of %d mailboxes", s.Requests(), len(s.Mailboxes))
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-from-system")
}
