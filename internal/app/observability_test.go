package app

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/textcheck"
)

// startWatched starts a product in which alice's mailbox is allowed, and waits
// for its token.
func startWatched(t *testing.T, settings ...string) *testProduct {
	t.Helper()
	s := startTestProduct(t, append([]string{"HMA_ALLOWED_MAILBOXES=alice@contoso.com"}, settings...)...).settle()
	synctest.Wait()
	return s
}

// look returns a page of the admin listener.
func (s *testProduct) look(uri string) string {
	s.t.Helper()
	a := s.probe(uri)
	if a.err != nil || a.status != http.StatusOK {
		s.t.Fatalf("%s: %+v", uri, a)
	}
	return a.text
}

// s.as sends a request for a folder of the mailbox. It sends Basic credentials
// although clients need none.
func (s *testProduct) as(mailbox, password string) response {
	return s.asUser(mailbox, "login-user", password)
}

// asUser sends a GetFolder request for the mailbox with Basic credentials, or
// without credentials if user is "".
func (s *testProduct) asUser(mailbox, user, password string) response {
	s.t.Helper()
	body := strings.ReplaceAll(envelopeWith(askFolder), "alice@contoso.com", mailbox)
	r, err := http.NewRequest(http.MethodPost, "http://"+s.clients+"/EWS/Exchange.asmx", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	return s.do(r)
}

// The type "seen" contains the fields of /status.json that the tests read.
type seen struct {
	Ready  bool
	Alarms []string
	Token  struct {
		Usable     bool
		Audience   string
		Roles      []string
		Expires    time.Time
		FullAccess bool `json:"full_access_as_app"`
		Error      struct {
			Class  string
			AADSTS int
		}
	}
	Certificates []struct {
		Slot, Thumbprint, Refused string
		SHA256                    string `json:"thumbprint_sha256"`
	}
	Source struct{ From, Name, Error string } `json:"certificate_source"`
}

func (s *testProduct) seen() (found seen) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.look("/status.json")), &found); err != nil {
		s.t.Fatal(err)
	}
	return found
}

// TestPagesShowNoSecret searches all pages for secrets after requests that were
// served, refused and replayed.
func TestPagesShowNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWatched(t)
		defer h.close()
		h.emu.Exchange().RevokeAll()
		time.Sleep(time.Second)
		h.as("alice@contoso.com", "canary-of-a-password")
		h.as("ceo@contoso.com", "")
		synctest.Wait()

		secrets := []string{h.emu.Config().VaultSecret, "canary-of-a-password", "PRIVATE KEY", "client_assertion"}
		for _, hop := range h.emu.Exchange().Hops() {
			secrets = append(secrets, strings.TrimPrefix(hop.Header.Get("Authorization"), "Bearer "))
		}
		if len(secrets) != 4+3 || secrets[5] == secrets[6] {
			t.Fatalf("%d tokens were seen at Exchange", len(secrets)-4)
		}
		for _, uri := range []string{"/", "/status.json", "/metrics", "/ready", "/nothing"} {
			text := h.probe(uri).text
			for _, secret := range secrets {
				textcheck.Lacks(t, text, secret)
				if parts := strings.Split(secret, "."); len(parts) == 3 {
					textcheck.Lacks(t, text, parts[1], parts[2])
				}
			}
		}
		textcheck.Contains(t, h.look("/"), "alice@contoso.com", "ceo@contoso.com", "mailbox-not-allowed", "replayed")
		metrics := h.look("/metrics")
		textcheck.Lacks(t, metrics, "contoso.com", "login-user")
		textcheck.Contains(t, metrics, "hmaproxy_replays_total 1\n", `hmaproxy_token_requests_total{reason="forced"} 1`,
			`hmaproxy_denials_total{reason="mailbox-not-allowed"} 1`, "hmaproxy_ready 1\n", "hmaproxy_token_full_access 1\n")
	})
}

// TestPagesFollowARotation checks that the pages show the thumbprints of the
// emulator's certificates before and after a rotation.
func TestPagesFollowARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWatched(t)
		defer h.close()
		old := h.emu.Certificate()
		s := h.seen()
		if !s.Ready || !s.Token.Usable || !s.Token.FullAccess || s.Token.Audience != h.emu.Resource() || s.Alarms != nil {
			t.Errorf("at first: %+v", s)
		}
		if left := time.Until(s.Token.Expires); left < 59*time.Minute || left > time.Hour {
			t.Errorf("the token ends in %v", left)
		}
		if len(s.Certificates) != 1 || s.Certificates[0].Slot != "active" || s.Certificates[0].Thumbprint != old.Thumbprint() || s.Certificates[0].SHA256 != old.ThumbprintSHA256() {
			t.Errorf("certificates %+v", s.Certificates)
		}

		next, err := emulator.NewCertificate(emulator.CertOptions{Key: testKeys[1]()})
		if err != nil {
			t.Fatal(err)
		}
		h.emu.KeyVault().Upload("HMA-Cert", next)
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		s = h.seen()
		if len(s.Certificates) < 2 || s.Certificates[1].Slot != "candidate" || s.Certificates[1].Thumbprint != next.Thumbprint() || !strings.Contains(s.Certificates[1].Refused, "700027") {
			t.Errorf("with an unregistered version: %+v", s.Certificates)
		}
		if len(s.Alarms) != 1 || !strings.Contains(s.Alarms[0], next.Thumbprint()) {
			t.Errorf("alarms %q", s.Alarms)
		}
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_certificate_candidate_refused 1\n", `hmaproxy_token_failures_total{aadsts="700027",class="certificate"}`)

		h.emu.Entra().Register(next)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if s = h.seen(); s.Certificates[0].Thumbprint != next.Thumbprint() || s.Alarms != nil {
			t.Errorf("registered: %+v, alarms %q", s.Certificates, s.Alarms)
		}
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_certificate_candidate_refused 0\n")
	})
}

// TestPagesShowAnOutage checks the pages during an outage that grows. First Key
// Vault refuses the product, and the allow-list's file is empty. Then Entra ID
// refuses the application as well, until the token has expired.
func TestPagesShowAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := writeFile(t, "alice@contoso.com")
		h := startWatched(t, "HMA_ALLOWED_MAILBOXES_FILE="+list)
		defer h.close()
		h.emu.KeyVault().SetFirewall(true)
		if err := os.WriteFile(list, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		s := h.seen()
		if !s.Ready || s.Source.Error == "" || len(s.Alarms) != 2 {
			t.Errorf("source %+v, alarms %q", s.Source, s.Alarms)
		}
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_certificate_lookup_failed 1\n", "hmaproxy_allow_list_alarm 1\n", "hmaproxy_ready 1\n")

		h.emu.Entra().InjectWhile(func() bool { return true }, emulator.Fault{AADSTS: 700016})
		time.Sleep(time.Hour)
		synctest.Wait()
		s = h.seen()
		if s.Ready || s.Token.Usable || s.Token.Error.AADSTS != 700016 || s.Token.Error.Class != "configuration" {
			t.Errorf("ready %v, token %+v", s.Ready, s.Token)
		}
		textcheck.Contains(t, h.look("/"), "not ready", "AADSTS700016")
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_ready 0\n", "hmaproxy_token_usable 0\n", `hmaproxy_token_failures_total{aadsts="700016",class="configuration"}`)
	})
}

// TestFailingExchangeRaisesAlarm makes Exchange respond like a web server whose
// application pool for EWS is stopped. It checks that all outputs that show the
// state of Exchange report this.
func TestFailingExchangeRaisesAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWatched(t)
		defer h.close()
		textcheck.Lacks(t, h.look("/ready"), "alarm:")
		h.emu.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{Status: 503, Body: "Service Unavailable"})
		for range 3 {
			h.ask()
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		const alarm = "requests to Exchange fail, the first one 3 min ago and the last good response 3 min ago: " +
			"the response is not one of Exchange Web Services: status 503; look at Exchange's application pool"
		ready := h.look("/ready") // /ready has status 200, because hmaproxy itself can serve requests
		textcheck.Contains(t, ready, "ok\n", "alarm: "+alarm)
		textcheck.Contains(t, h.look("/live"), "alarm: "+alarm)
		var s struct {
			Alarms    []string
			Responses struct {
				Failures int
				First    struct{ Reason, Cause, Remedy string } `json:"first_failure"`
			} `json:"exchange_responses"`
		}
		if err := json.Unmarshal([]byte(h.look("/status.json")), &s); err != nil {
			t.Fatal(err)
		}
		if s.Responses.Failures != 3 || s.Responses.First.Reason != "upstream-not-ews" || s.Responses.First.Remedy == "" {
			t.Errorf("exchange_responses %+v", s.Responses)
		}
		for _, text := range s.Alarms {
			textcheck.Contains(t, ready, "alarm: "+text+"\n")
		}
		textcheck.Contains(t, h.look("/"), "3 requests in a row failed", "upstream-not-ews")
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_exchange_consecutive_failures 3\n", "hmaproxy_ready 1\n")

		h.emu.Exchange().ClearFaults()
		h.ask()
		synctest.Wait()
		textcheck.Lacks(t, h.look("/ready"), "alarm:")
		textcheck.Contains(t, h.look("/metrics"), "hmaproxy_exchange_consecutive_failures 0\n")
	})
}
