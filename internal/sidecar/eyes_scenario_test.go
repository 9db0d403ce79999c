package sidecar

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// watched starts a product of which alice's mailbox is allowed, and settles it.
func watched(t *testing.T, settings ...string) *scenario {
	t.Helper()
	s := newScenario(t, emulator.Config{})
	s.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com"
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		if s.env[name] = value; name == "HMA_ALLOWED_MAILBOXES_FILE" {
			delete(s.env, "HMA_ALLOWED_MAILBOXES")
		}
	}
	s.start().settle()
	synctest.Wait()
	return s
}

// look reads what the admin listener shows.
func (s *scenario) look(uri string) string {
	s.t.Helper()
	w := s.app.ask(uri)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d: %s", uri, w.Code, w.Body)
	}
	return w.Body.String()
}

// as asks for a mailbox's folder, with Basic credentials that nobody wants.
func (s *scenario) as(mailbox, password string) answer {
	s.t.Helper()
	body := strings.ReplaceAll(scenarioEnvelope(askFolder), "alice@contoso.com", mailbox)
	r, err := http.NewRequest(http.MethodPost, "http://"+s.clients+"/EWS/Exchange.asmx", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	r.SetBasicAuth("somebody", password)
	return s.do(r)
}

// seen is /status.json as a program reads it.
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

func (s *scenario) seen() (found seen) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.look("/status.json")), &found); err != nil {
		s.t.Fatal(err)
	}
	return found
}

// TestEyesSeeNoSecret looks for what must never be shown in everything that is
// shown, after requests that were served, refused and replayed.
func TestEyesSeeNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := watched(t)
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
			text := h.app.ask(uri).Body.String()
			for _, secret := range secrets {
				lacks(t, text, secret)
				if parts := strings.Split(secret, "."); len(parts) == 3 {
					lacks(t, text, parts[1], parts[2])
				}
			}
		}
		contains(t, h.look("/"), "alice@contoso.com", "ceo@contoso.com", "mailbox-not-allowed", "replayed")
		metrics := h.look("/metrics")
		lacks(t, metrics, "contoso.com", "somebody")
		contains(t, metrics, "hmaproxy_replays_total 1\n", `hmaproxy_token_requests_total{reason="forced"} 1`,
			`hmaproxy_denials_total{reason="mailbox-not-allowed"} 1`, "hmaproxy_ready 1\n", "hmaproxy_token_full_access 1\n")
	})
}

// TestEyesFollowARotation: the names of the certificates are the emulator's.
func TestEyesFollowARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := watched(t)
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

		next, err := emulator.NewCertificate(emulator.CertOptions{Key: scenarioKeys()[1]})
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
		contains(t, h.look("/metrics"), "hmaproxy_certificate_candidate_refused 1\n", `hmaproxy_token_failures_total{aadsts="700027",class="certificate"}`)

		h.emu.Entra().Register(next)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if s = h.seen(); s.Certificates[0].Thumbprint != next.Thumbprint() || s.Alarms != nil {
			t.Errorf("registered: %+v, alarms %q", s.Certificates, s.Alarms)
		}
		contains(t, h.look("/metrics"), "hmaproxy_certificate_candidate_refused 0\n")
	})
}

// TestEyesSeeAnOutage: the vault is gone, then Entra, and at last the token.
func TestEyesSeeAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := write(t, "alice@contoso.com")
		h := watched(t, "HMA_ALLOWED_MAILBOXES_FILE="+list)
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
		contains(t, h.look("/metrics"), "hmaproxy_certificate_lookup_failed 1\n", "hmaproxy_allow_list_alarm 1\n", "hmaproxy_ready 1\n")

		h.emu.Entra().InjectWhile(func() bool { return true }, emulator.Fault{AADSTS: 700016})
		time.Sleep(time.Hour)
		synctest.Wait()
		s = h.seen()
		if s.Ready || s.Token.Usable || s.Token.Error.AADSTS != 700016 || s.Token.Error.Class != "configuration" {
			t.Errorf("ready %v, token %+v", s.Ready, s.Token)
		}
		contains(t, h.look("/"), "not ready", "AADSTS700016")
		contains(t, h.look("/metrics"), "hmaproxy_ready 0\n", "hmaproxy_token_usable 0\n", `hmaproxy_token_failures_total{aadsts="700016",class="configuration"}`)
	})
}
