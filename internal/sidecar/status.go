package sidecar

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/health"
	"hmaproxy/token"
)

// status is everything that the status page shows and /status.json says. It
// names mailboxes, and holds no token, secret or key.
type status struct {
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Begun    time.Time `json:"started"`
	Exchange string    `json:"exchange"`

	Ready    bool     `json:"ready"`
	NotReady string   `json:"not_ready,omitempty"` // why
	Cause    string   `json:"-"`                   // the same for the page
	Alarms   []string `json:"alarms,omitempty"`    // what is wrong although requests are served

	Token        tokenStatus         `json:"token"`
	Certificates []certificateStatus `json:"certificates"`
	Source       sourceStatus        `json:"certificate_source"`
	AllowList    allowListStatus     `json:"allow_list"`

	Minutes  []minuteStatus `json:"minutes"`  // the last hour, the oldest first
	Requests []request      `json:"requests"` // the last ones, the newest first
}

type tokenStatus struct {
	Usable     bool         `json:"usable"`
	Expires    time.Time    `json:"expires,omitzero"`
	Refresh    time.Time    `json:"next_refresh,omitzero"`
	Obtained   time.Time    `json:"last_obtained,omitzero"`
	Audience   string       `json:"audience,omitempty"`
	Tenant     string       `json:"tenant,omitempty"`
	App        string       `json:"app_id,omitempty"`
	AuthKind   string       `json:"appidacr,omitempty"`
	Roles      []string     `json:"roles,omitempty"`
	FullAccess bool         `json:"full_access_as_app"`
	Failures   int          `json:"failures"`
	Error      *errorStatus `json:"error,omitempty"`
	ClockSkew  seconds      `json:"clock_skew_seconds"`
}

type errorStatus struct {
	Class  token.Class `json:"class"`
	AADSTS int         `json:"aadsts,omitempty"`
	Text   string      `json:"text"`
}

type certificateStatus struct {
	Slot      health.Slot `json:"slot"`
	Subject   string      `json:"subject"`
	SHA1      string      `json:"thumbprint"`
	SHA256    string      `json:"thumbprint_sha256"`
	NotBefore time.Time   `json:"not_before"`
	NotAfter  time.Time   `json:"not_after"`
	Refused   string      `json:"refused,omitempty"` // why Entra does not take the candidate
}

type sourceStatus struct {
	From        string    `json:"from"` // "key vault" or "file"
	Name        string    `json:"name"`
	KeyMode     string    `json:"key_mode"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	Error       string    `json:"error,omitempty"`
}

type allowListStatus struct {
	Mode     string    `json:"mode"` // "none", "enforce", "audit"
	Scope    string    `json:"scope"`
	Entries  int       `json:"entries"`
	File     string    `json:"file,omitempty"`
	Modified time.Time `json:"file_modified,omitzero"`
	Alarm    string    `json:"alarm,omitempty"`
}

type minuteStatus struct {
	Time   time.Time       `json:"time"`
	Counts map[outcome]int `json:"counts,omitempty"`
	minute minute
}

// seconds is a duration that programs read as a number.
type seconds time.Duration

// MarshalJSON writes a number of seconds to the microsecond.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Round(time.Microsecond).Seconds(), 'f', -1, 64), nil
}

// status looks at everything once.
func (a *app) status() *status {
	now, k := time.Now(), a.keeper.Status()
	s := &status{
		Time: now, Version: a.o.Version, Begun: a.begun, Exchange: a.o.Config.EWS.String(),
		Token: tokenStatusOf(k), Certificates: certificateStatuses(k), Source: a.source(k), AllowList: a.allowList(),
		Requests: a.recent.recent(),
	}
	state := a.health()
	if s.Ready = state.Ready(); !s.Ready {
		s.Cause = state.NotReady.Text()
		s.NotReady = "not ready: " + s.Cause
	}
	for _, alarm := range state.Alarms {
		s.Alarms = append(s.Alarms, alarm.Text(now))
	}
	for _, m := range a.recent.hour(now) {
		s.Minutes = append(s.Minutes, minuteStatus{time.Unix(m.at*60, 0), m.byOutcome(), m})
	}
	return s
}

func tokenStatusOf(k token.Status) tokenStatus {
	t := tokenStatus{
		Usable: k.Usable, Expires: k.Expires, Refresh: k.NextRefresh, Obtained: k.LastToken, ClockSkew: seconds(k.ClockSkew),
		Audience: kept(k.Claims.Audience), Tenant: kept(k.Claims.TenantID), App: kept(k.Claims.AppID), AuthKind: kept(k.Claims.AuthKind),
		FullAccess: k.Claims.FullAccess(), Failures: k.Failures,
	}
	for _, role := range k.Claims.Roles[:min(len(k.Claims.Roles), 16)] {
		t.Roles = append(t.Roles, kept(role))
	}
	if k.Err != nil {
		t.Error = &errorStatus{k.Err.Class, k.Err.AADSTS, k.Err.Error()}
	}
	return t
}

func certificateStatuses(k token.Status) []certificateStatus {
	list := []certificateStatus{}
	for _, c := range health.Certificates(k) {
		s := certificateStatus{c.Slot, c.Leaf.Subject, c.Leaf.SHA1, c.Leaf.SHA256, c.Leaf.NotBefore, c.Leaf.NotAfter, ""}
		if c.Slot == health.Candidate && k.CandidateErr != nil {
			s.Refused = k.CandidateErr.Error()
		}
		list = append(list, s)
	}
	return list
}

func (a *app) source(k token.Status) sourceStatus {
	c := a.o.Config
	s := sourceStatus{From: "file", Name: string(c.CertFile), KeyMode: string(config.KeyMemory), LastSuccess: k.LastCertificate}
	if c.FromVault() {
		s.From, s.Name, s.KeyMode = "key vault", c.VaultURI.Host+"/"+string(c.VaultCertName), string(c.KeyMode)
	}
	if k.CertificatesErr != nil {
		s.Error = k.CertificatesErr.Error()
	}
	return s
}

// allowList says what the allow-list does at present.
func (a *app) allowList() allowListStatus {
	c := a.o.Config
	list := a.policy()
	s := allowListStatus{Mode: "none", Scope: string(c.ListScope), Entries: list.Size()}
	switch {
	case list.Audit():
		s.Mode = string(config.Audit)
	case list.Limited():
		s.Mode = string(config.Enforce)
	}
	if err := a.fileErr("HMA_ALLOWED_MAILBOXES_FILE"); err != nil {
		s.Alarm = err.Error()
	}
	if c.AllowedMailboxesFile != "" {
		s.File = string(c.AllowedMailboxesFile)
		if info, err := os.Stat(s.File); err == nil {
			s.Modified = info.ModTime()
		}
	}
	return s
}

// byOutcome returns the counts that are not 0.
func (m minute) byOutcome() map[outcome]int {
	var counts map[outcome]int
	for i, n := range m.counts {
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = make(map[outcome]int)
		}
		counts[outcomes[i]] = n
	}
	return counts
}

// serveStatusJSON answers programs.
func (a *app) serveStatusJSON(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(a.status())
}
