package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// logLine returns the fields of the first log line with the given message,
// nil if there is none.
func (p *testProcess) logLine(message string) map[string]any {
	p.t.Helper()
	for line := range strings.Lines(p.log()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
			return fields
		}
	}
	return nil
}

// TestEveryMailboxOnPurpose checks that a missing allow-list raises an alarm,
// unless HMA_ALLOWED_MAILBOXES=* says that clients may open every mailbox.
func TestEveryMailboxOnPurpose(t *testing.T) {
	for name, tc := range map[string]struct {
		extra     []string
		alarm     bool
		mailboxes string
		mode      string
	}{
		"no list":    {nil, true, "every mailbox (no allow-list is set)", "none"},
		"on purpose": {[]string{"HMA_ALLOWED_MAILBOXES=*"}, false, "every mailbox, on purpose", "every"},
		"a list":     {[]string{"HMA_ALLOWED_MAILBOXES=alice@contoso.com"}, false, "the mailboxes of the allow-list", "enforce"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEmulator(t, emulator.Config{})
			p := start(t, settings(t, e, tc.extra...))
			p.ready()
			if status, text := p.probe("ready"); status != http.StatusOK || strings.Contains(text, "alarm: ") != tc.alarm {
				t.Errorf("/ready: %d %s", status, text)
			}
			if got := p.logLine("started")["mailboxes"]; got != tc.mailboxes {
				t.Errorf("started with mailboxes %q, want %q", got, tc.mailboxes)
			}
			if got := strings.Contains(p.log(), "no allow-list is set: clients can open"); got != tc.alarm {
				t.Errorf("a warning at start: %v", got)
			}
			if _, text := p.probe("metrics"); !strings.Contains(text, `hmaproxy_allow_list_info{mode="`+tc.mode+`"`) {
				t.Errorf("no metric with mode %s", tc.mode)
			}
			if _, text := p.probe(""); strings.Contains(text, "every mailbox, on purpose") != (tc.mode == "every") {
				t.Errorf("the status page with mode %s", tc.mode)
			}
			want := "http://" + p.clients + "/EWS/Exchange.asmx"
			for range 200 {
				if p.logLine("ready") != nil {
					break
				}
				time.Sleep(25 * time.Millisecond)
			}
			if got := p.logLine("ready"); got["ews"] != want || got["status_page"] != "http://"+p.admin+"/" {
				t.Errorf("ready line %v, want %s", got, want)
			}
			if name != "a list" {
				if resp, _ := p.post(ewstest.Envelope("bob@contoso.com", getFolder)); resp.StatusCode != http.StatusOK {
					t.Errorf("bob: %d", resp.StatusCode)
				}
			}
		})
	}
}
