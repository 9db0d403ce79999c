package app

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/internal/filewatch"
)

// post sends a GetFolder request for a mailbox and returns the response's
// status and headers.
func (s *testProduct) post(mailbox, user, password string) (int, http.Header) {
	s.t.Helper()
	a := s.asUser(mailbox, user, password)
	if a.err != nil {
		s.t.Fatal(a.err)
	}
	return a.status, a.header
}

// TestClientUsersOfTheWholeProduct checks that a client without a valid password
// causes no request to Exchange, also after reloads of the users' file.
func TestClientUsersOfTheWholeProduct(t *testing.T) {
	crm := "crm:" + hashOf(t, "crm-canary-1") + "\n"
	archive := "archive:" + hashOf(t, "archive-canary-2") + " alice@contoso.com\n"
	file := writeFile(t, crm+archive)
	synctest.Test(t, func(t *testing.T) {
		h := startTestProduct(t, "HMA_CLIENT_USERS_FILE="+file, "HMA_ALLOWED_MAILBOXES=alice@contoso.com,bob@contoso.com")
		defer h.close()
		time.Sleep(time.Second)
		expect := func(name, mailbox, user, password string, want, arrivals int) {
			t.Helper()
			before := h.emu.Exchange().Count()
			status, header := h.post(mailbox, user, password)
			if status != want || h.emu.Exchange().Count()-before != arrivals {
				t.Errorf("%s: %d %s, %d requests reached Exchange", name, status, header.Get("X-Hmaproxy-Error"), h.emu.Exchange().Count()-before)
			}
			if challenges := header["Www-Authenticate"]; (want == http.StatusUnauthorized) != (len(challenges) == 1 && strings.HasPrefix(challenges[0], "Basic ")) {
				t.Errorf("%s: WWW-Authenticate %q", name, challenges)
			}
		}
		expect("unknown", "alice@contoso.com", "", "", 401, 0)
		expect("wrong", "alice@contoso.com", "crm", "guess-canary-3", 401, 0)
		expect("unknown", "alice@contoso.com", "guess-canary-4", "crm-canary-1", 401, 0)
		expect("right", "bob@contoso.com", "crm", "crm-canary-1", 200, 1)
		expect("off the list", "ceo@contoso.com", "crm", "crm-canary-1", 500, 0)
		expect("narrowed", "alice@contoso.com", "archive", "archive-canary-2", 200, 1)
		expect("narrowed away", "bob@contoso.com", "archive", "archive-canary-2", 500, 0)
		if log := h.log.take(); !strings.Contains(log, `"client":"archive"`) || strings.Contains(log, "canary") || strings.Contains(log, "$2a$") {
			t.Errorf("log: %s", log)
		}

		replace := func(content string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2*filewatch.Interval + time.Second)
		}
		replace(archive)
		expect("taken off the file", "bob@contoso.com", "crm", "crm-canary-1", 401, 0)
		if log := h.log.take(); !strings.Contains(log, "changed file reloaded") {
			t.Errorf("log: %s", log)
		}
		replace("archive:canary-5\n")
		expect("after a bad file", "alice@contoso.com", "archive", "archive-canary-2", 200, 1)
		if text := h.probe("/ready").text; !strings.Contains(text, "ok") || !strings.Contains(text, "alarm: HMA_CLIENT_USERS_FILE") || strings.Contains(text, "canary") {
			t.Errorf("readiness: %s", text)
		}
		if log := h.log.take(); !strings.Contains(log, "changed file not reloaded") || strings.Contains(log, "canary") {
			t.Errorf("log: %s", log)
		}
		replace(crm)
		expect("back again", "alice@contoso.com", "crm", "crm-canary-1", 200, 1)
		if text := h.probe("/ready").text; strings.Contains(text, "alarm") {
			t.Errorf("readiness: %s", text)
		}
		h.log.take()
		for range 13 {
			expect("guessing", "alice@contoso.com", "crm", "guess", 401, 0)
		}
		if n := strings.Count(h.log.take(), `"msg":"request"`); n == 0 || n > 10 {
			t.Errorf("%d lines for %d guesses", n, 13)
		}
	})
}

// hashOf returns the hash of a password for the users' file.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), config.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}
