package requestlog

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/accesslog"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// read reads logs with a Reader. It returns the requests in them and the Reader's
// facts.
func read(t *testing.T, logs ...string) ([]proxy.Record, *Facts) {
	t.Helper()
	var list []proxy.Record
	r, err := NewReader(func(rec *proxy.Record) { list = append(list, *rec) })
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		if err := r.Read("log", strings.NewReader(log)); err != nil {
			t.Fatal(err)
		}
	}
	return list, r.Facts()
}

// TestLinesOfTheAccessLogAreReadBack checks that a Reader reads the lines that
// package accesslog writes: both packages must use the same keys.
func TestLinesOfTheAccessLogAreReadBack(t *testing.T) {
	synctest.Test(t, linesAreReadBack)
}

func linesAreReadBack(t *testing.T) {
	start := time.Now().Add(-time.Second).Truncate(time.Microsecond)
	for _, want := range []proxy.Record{
		{Operation: "GetFolder", Known: "GetFolder", Mailbox: "alice@contoso.com", Named: ews.SmtpAddress, Status: 200, Upstream: 200, BytesIn: 7, BytesOut: 9, Duration: 1234567 * time.Microsecond},
		{Operation: "Subscribe", Known: "Subscribe:Push", Mailbox: "alice@contoso.com", Named: ews.PrincipalName, Audit: proxy.ReasonOperationNotAllowed, Client: "crm", Product: "exchangelib/5.4.0"},
		{Operation: "Subscribe", Known: "Subscribe", Mailbox: "S-1-5-21-1-2-3-500", Named: ews.SID},
		{Operation: "GetItemRequest", Known: "GetItem", Reason: proxy.ReasonNoMailbox},
		{Operation: "Frobnicate", Known: "other", Mailbox: "alice@contoso.com", Named: ews.SmtpAddress, Injected: true},
		{Mailbox: "unreadable", Audit: proxy.ReasonEnvelopeRefused},
		{Method: "GET", Reason: proxy.ReasonPath, Status: 404},
		{Operation: "GetItem", Known: "GetItem", Status: 500, Upstream: 500, Fault: "ErrorServerBusy"},
	} {
		var b bytes.Buffer
		want.ID, want.Start = "7f3c", start
		accesslog.New(slog.New(slog.NewJSONHandler(&b, nil))).Done(&want, outcome.Of(&want))
		got, facts := read(t, b.String())
		if len(got) != 1 || facts.Requests != 1 || facts.Lines != 1 {
			t.Fatalf("%s: %d requests, %+v", b.String(), len(got), facts)
		}
		if ended := got[0].Start.Add(got[0].Duration); !ended.Equal(time.Now()) {
			t.Errorf("ended at %v", ended)
		}
		got[0].Start = start // the start in the log differs: it is the time of writing minus the duration
		if got[0] != want {
			t.Errorf("read\n%+v\nwritten\n%+v", got[0], want)
		}
	}
}

const (
	aRequest = `{"time":"2026-11-04T16:00:00.5+01:00","level":"INFO","msg":"request","id":"a","operation":"GetItem","mailbox":"alice@contoso.com","status":200,"upstream":200,"bytes_in":1,"bytes_out":2,"duration_ms":500}`
	another  = `{"time":"2026-11-04T16:00:01Z","level":"WARN","msg":"request","id":"b","operation":"GetItem","mailbox":"bob@contoso.com","status":200,"upstream":200,"duration_ms":1}`
)

// asText returns a line as a JSON string.
func asText(line string) string {
	text, err := json.Marshal(line + "\n")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestFormsOfLines tests each form of a line. A line of another program must not be
// read as a line of hmaproxy, even if a client chose a part of its text.
func TestFormsOfLines(t *testing.T) {
	type facts struct{ requests, other, cut, foreign, text int64 }
	for name, test := range map[string]struct {
		line string
		want facts
	}{
		"as written":                        {aRequest, facts{requests: 1}},
		"with spaces around":                {"  " + aRequest + " \r", facts{requests: 1}},
		"blank":                             {"  ", facts{}},
		"docker's json-file":                {`{"log":` + asText(aRequest) + `,"stream":"stderr","time":"2026-11-04T16:00:00Z"}`, facts{requests: 1}},
		"docker's json-file, another line":  {`{"log":` + asText("hello") + `,"stream":"stderr","time":"2026-11-04T16:00:00Z"}`, facts{foreign: 1}},
		"docker's json-file, cut inside":    {`{"log":` + asText(aRequest[:50]) + `,"stream":"stderr"}`, facts{cut: 1}},
		"docker's json-file, for terminals": {`{"log":` + asText("20:15:04 INF request id=1") + `}`, facts{text: 1}},
		"CRI":                               {"2026-11-04T16:00:00.123456789Z stderr F " + aRequest, facts{requests: 1}},
		"CRI, standard output":              {"2026-11-04T16:00:00+01:00 stdout F " + aRequest, facts{requests: 1}},
		"CRI, the first part of a line":     {"2026-11-04T16:00:00Z stderr P " + aRequest, facts{foreign: 1}},
		"docker compose":                    {"hmaproxy-1  | " + aRequest, facts{requests: 1}},
		"docker compose, another service":   {"sync-1  | " + aRequest, facts{foreign: 1}},
		"kubectl":                           {"[pod/mail-7d9f/hmaproxy] " + aRequest, facts{requests: 1}},
		"kubectl, another container":        {"[pod/mail-7d9f/sync] " + aRequest, facts{foreign: 1}},
		"syslog":                            {"Nov  4 16:00:00 mail hmaproxy[812]: " + aRequest, facts{requests: 1}},
		"syslog, ISO time":                  {"2026-11-04T16:00:00+0100 mail hmaproxy[812]: " + aRequest, facts{requests: 1}},
		"syslog, another program":           {"Nov  4 16:00:00 mail sshd[812]: " + aRequest, facts{foreign: 1}},
		"syslog, a user named like us":      {"Nov  4 16:00:00 mail sshd[812]: Invalid user hmaproxy[812]: " + aRequest, facts{foreign: 1}},
		"journal":                           {`{"MESSAGE":` + asText(aRequest) + `,"SYSLOG_IDENTIFIER":"hmaproxy"}`, facts{requests: 1}},
		"journal, another program":          {`{"MESSAGE":` + asText(aRequest) + `,"SYSLOG_IDENTIFIER":"sshd"}`, facts{foreign: 1}},
		"journal, no text":                  {`{"MESSAGE":[104,105],"SYSLOG_IDENTIFIER":"hmaproxy"}`, facts{foreign: 1}},
		"for terminals":                     {"20:15:04 INF request id=1", facts{text: 1}},
		"for terminals, coloured":           {"\x1b[2m20:15:04\x1b[0m \x1b[93mWRN\x1b[0m request id=1", facts{text: 1}},
		"for terminals, another line":       {"20:15:04 INF ready", facts{foreign: 1}},
		"cut":                               {aRequest[:80], facts{cut: 1}},
		"cut in front":                      {aRequest[80:], facts{foreign: 1}},
		"two in one":                        {aRequest + another, facts{cut: 1}},
		"JSON of another program":           {`{"ts":1,"msg":"request"}`, facts{foreign: 1}},
		"a value of another type":           {strings.Replace(aRequest, `"GetItem"`, "7", 1), facts{foreign: 1}},
		"another line of hmaproxy":          {`{"time":"2026-11-04T16:00:00Z","level":"INFO","msg":"ready"}`, facts{other: 1}},
		"an array":                          {`[1]`, facts{foreign: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			list, f := read(t, test.line+"\n")
			if got := (facts{f.Requests, f.Other, f.Cut, f.Foreign, f.Text}); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if int64(len(list)) != test.want.requests {
				t.Errorf("%d requests", len(list))
			}
			for _, r := range list {
				if r.Mailbox != "alice@contoso.com" || !r.Start.Equal(time.Date(2026, 11, 4, 15, 0, 0, 0, time.UTC)) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestRequestsCountOnce(t *testing.T) {
	list, f := read(t, aRequest+"\n"+another+"\n", another+"\n"+aRequest) // the second log has the same lines in reverse order, and no final line end
	if len(list) != 2 || f.Duplicates != 2 || f.Requests != 2 || !f.Informed {
		t.Errorf("%d requests, %+v", len(list), f)
	}
	if f.First.Sub(list[0].Start) != 500*time.Millisecond || !f.Last.Equal(time.Date(2026, 11, 4, 16, 0, 1, 0, time.UTC)) {
		t.Errorf("from %v to %v", f.First, f.Last)
	}
	without := strings.Replace(aRequest, `"id":"a",`, "", 1)
	if list, f := read(t, without+"\n"+without); len(list) != 2 || f.Duplicates != 0 {
		t.Errorf("without ids: %d requests, %+v", len(list), f)
	}
	if _, f := read(t, another); f.Informed {
		t.Error("a log without a line of level INFO holds served requests")
	}
}

func TestOtherLinesOfTheLog(t *testing.T) {
	_, f := read(t, strings.Join([]string{
		`{"time":"2026-11-04T16:00:00Z","level":"INFO","msg":"started","version":"v1.2.3"}`,
		`{"time":"2026-11-04T16:00:01Z","level":"WARN","msg":"refused requests were left out of this log","reason":"mailbox-not-allowed","count":1900}`,
		`{"time":"2026-11-04T16:00:02Z","level":"WARN","msg":"refused requests were left out of this log","reason":"mailbox-not-allowed","count":100}`,
		`{"time":"2026-11-04T16:00:03Z","level":"WARN","msg":"requests without valid credentials were left out of this log","count":5}`,
		`{"time":"2026-11-04T16:00:03Z","level":"WARN","msg":"refused requests were left out of this log","reason":"of-the-future","count":9}`,
		`{"time":"2026-11-04T16:00:04Z","level":"WARN","msg":"log lines were dropped because the log was not read","count":7}`,
		`{"time":"2026-11-04T16:00:05Z","level":"INFO","msg":"stopped"}`,
		`{"time":"2026-11-04T16:00:06Z","level":"INFO","msg":"started","version":"v1.2.3"}`,
		strings.Replace(aRequest, `"operation"`, `"reason":"of-the-future","operation"`, 1),
	}, "\n"))
	if f.LeftOut[proxy.ReasonMailboxNotAllowed] != 2000 || f.LeftOut[proxy.ReasonCredentials] != 5 || f.LeftOutTotal() != 2005 || f.Dropped != 7 {
		t.Errorf("left out %v, dropped %d", f.LeftOut, f.Dropped)
	}
	if !slices.Equal(f.Versions, []string{"v1.2.3"}) || len(f.Events) != 3 || !f.Events[0].Start || f.Events[1].Start || f.Unknown != 2 || f.Requests != 0 {
		t.Errorf("%+v", f)
	}
}

// TestLinesOfTheFirstVersion checks that a Reader reads the lines that the first
// version of hmaproxy wrote. They have the duration in nanoseconds. They have no
// field mailbox_form, so the Reader recognises a SID by its text.
func TestLinesOfTheFirstVersion(t *testing.T) {
	old := strings.Replace(aRequest, `"duration_ms":500`, `"duration":500000000`, 1)
	list, f := read(t, old)
	if len(list) != 1 || list[0].Duration != 500*time.Millisecond || f.Old != 1 {
		t.Errorf("%+v, %+v", list, f)
	}
	list, _ = read(t, strings.Replace(old, "alice@contoso.com", "S-1-5-21-1-2-3-500", 1))
	if len(list) != 1 || list[0].Named != ews.SID {
		t.Errorf("a SID is %+v", list)
	}
}

func TestLongLines(t *testing.T) {
	for _, test := range []struct {
		name    string
		length  int
		request bool
	}{{"longer than the buffer", 200 << 10, true}, {"longer than any line", 3 << 20, false}} {
		long := strings.Replace(aRequest, "alice", strings.Repeat("a", test.length), 1)
		list, f := read(t, long+"\n"+another)
		if len(list) != 1 && !test.request || len(list) != 2 && test.request || f.Lines != 2 {
			t.Errorf("%s: %d requests, %+v", test.name, len(list), f)
		}
	}
}

func TestCompressedFiles(t *testing.T) {
	var b bytes.Buffer
	for _, line := range []string{aRequest, another} { // two gzip members, as after appending
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, line+"\n")
		w.Close()
	}
	if list, f := read(t, b.String()); len(list) != 2 || f.Unfinished != nil {
		t.Errorf("%d requests, %+v", len(list), f)
	}
	if list, f := read(t, b.String()[:b.Len()-12]); len(list) == 2 && f.Unfinished == nil || !slices.Equal(f.Unfinished, []string{"log"}) {
		t.Errorf("cut: %d requests, %+v", len(list), f)
	}
	if _, f := read(t, "\x1f\x8b"); !slices.Equal(f.Unfinished, []string{"log"}) {
		t.Errorf("cut in its head: %+v", f)
	}
}

func TestEncodings(t *testing.T) {
	if list, _ := read(t, "\ufeff"+aRequest); len(list) != 1 {
		t.Errorf("with a byte order mark: %d requests", len(list))
	}
	r, err := NewReader(func(*proxy.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read("log", strings.NewReader("\xff\xfe{\x00")); !errors.Is(err, ErrUTF16) {
		t.Errorf("UTF-16: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestErrorsOfTheFileAreReturned(t *testing.T) {
	r, err := NewReader(func(*proxy.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read("log", io.MultiReader(strings.NewReader(aRequest+"\n"), failing{})); err == nil {
		t.Error("no error")
	}
}

// FuzzRead checks that each line of any file is counted in exactly one category.
func FuzzRead(f *testing.F) {
	f.Add([]byte(aRequest + "\n" + another))
	f.Add([]byte("Nov  4 16:00:00 mail hmaproxy[812]: " + aRequest))
	f.Add([]byte(`{"log":` + asText(aRequest) + `}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := int64(0)
		r, err := NewReader(func(*proxy.Record) { n++ })
		if err != nil {
			t.Fatal(err)
		}
		if r.Read("log", bytes.NewReader(data)) != nil {
			return
		}
		facts := r.Facts()
		sum := facts.Requests + facts.Other + facts.Duplicates + facts.Cut + facts.Foreign + facts.Text + facts.Unknown
		if n != facts.Requests || sum != facts.Lines {
			t.Errorf("%d requests, %+v", n, facts)
		}
	})
}

// FuzzDecoderAgreesWithEncodingJSON checks that encoding/json reads the same
// fields from every line that the fast decoder accepts.
func FuzzDecoderAgreesWithEncodingJSON(f *testing.F) {
	f.Add([]byte(aRequest))
	f.Add([]byte(another))
	f.Add([]byte(`{"time":"2026-11-04T16:00:00Z","level":"INFO","msg":"request","status":0,"injected":true,"push":false,"duration_ms":0.5,"count":12}`))
	f.Add([]byte(`{"msg":"a","msg":"b","backoff_ms":7}`))
	f.Add([]byte(`{"status":01,"duration_ms":1.,"bytes_in":-1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var fast, slow entry
		d := decoder{make(map[string]string)}
		if !d.decode(line, &fast) {
			return
		}
		if err := json.Unmarshal(line, &slow); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !fast.Time.Equal(slow.Time) {
			t.Errorf("%q: time %v, want %v", line, fast.Time, slow.Time)
		}
		fast.Time, slow.Time = time.Time{}, time.Time{}
		if !reflect.DeepEqual(fast, slow) {
			t.Errorf("%q:\n%+v, want\n%+v", line, fast, slow)
		}
	})
}

// TestUsualLinesAreDecodedFast checks that the fast decoder accepts the lines of
// the access log.
func TestUsualLinesAreDecodedFast(t *testing.T) {
	d := decoder{make(map[string]string)}
	for _, line := range []string{aRequest, another} {
		if !d.decode([]byte(line), new(entry)) {
			t.Errorf("%s", line)
		}
	}
	var b bytes.Buffer
	r := proxy.Record{ID: "7f3c", Operation: "Subscribe", Known: "Subscribe:Push", Mailbox: "alice@contoso.com", Audit: proxy.ReasonOperationNotAllowed, Detail: "a detail",
		Injected: true, Replayed: true, Aborted: true, Fault: "ErrorServerBusy", BackOff: time.Second, UnknownIDs: 2, Duration: 1234567 * time.Microsecond, Product: "exchangelib/5.4.0"}
	accesslog.New(slog.New(slog.NewJSONHandler(&b, nil))).Done(&r, outcome.Of(&r))
	if !d.decode(bytes.TrimSpace(b.Bytes()), new(entry)) {
		t.Errorf("%s", b.String())
	}
}
