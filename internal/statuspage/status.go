package statuspage

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// A status is the content of the status page and of /status.json. It contains
// mailboxes but no token, secret or key.
type status struct {
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Begun    time.Time `json:"started"`
	Exchange string    `json:"exchange"`
	Listen   []string  `json:"listen,omitempty"` // URLs that clients use

	Ready    bool     `json:"ready"`
	NotReady string   `json:"not_ready,omitempty"` // why the product is not ready
	Cause    string   `json:"-"`                   // the cause without "not ready", for the page
	Alarms   []string `json:"alarms,omitempty"`

	Responses    responsesStatus     `json:"exchange_responses"`
	Token        tokenStatus         `json:"token"`
	Certificates []certificateStatus `json:"certificates"`
	Source       sourceStatus        `json:"certificate_source"`
	AllowList    allowListStatus     `json:"allow_list"`

	Traffic  trafficStatus  `json:"traffic"`  // counts since the start
	Minutes  []minuteStatus `json:"minutes"`  // outcomes of the last hour, the oldest first
	Requests []request      `json:"requests"` // the latest requests, the newest first
	Problems []request      `json:"problems"` // the latest requests that need attention, the newest first

	InFlight int              `json:"in_flight"`
	Running  []runningRequest `json:"running"` // the oldest requests in flight

	Asked *mailboxStatus `json:"-"` // result of the form that checks a mailbox; nil: the form was not used
}

// responsesStatus describes the latest responses of Exchange.
type responsesStatus struct {
	LastGood time.Time      `json:"last_good,omitzero"`
	Failures int            `json:"failures"` // number of consecutive failures up to now
	First    *failureStatus `json:"first_failure,omitempty"`
	Last     time.Time      `json:"last_failure,omitzero"`
}

type failureStatus struct {
	Time   time.Time    `json:"time"`
	Reason proxy.Reason `json:"reason,omitempty"`
	Fault  string       `json:"fault,omitempty"`
	Status int          `json:"status,omitempty"`
	Cause  string       `json:"cause"`
	Remedy string       `json:"remedy,omitempty"`
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
	Refused   string      `json:"refused,omitempty"` // why Entra ID refuses the candidate certificate
}

type sourceStatus struct {
	From        string    `json:"from"` // "key vault", "file", "windows store" or "federated credential (experimental)"
	Name        string    `json:"name"`
	KeyMode     string    `json:"key_mode"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	Error       string    `json:"error,omitempty"`
}

type allowListStatus struct {
	Mode     string    `json:"mode"` // "none", "every", "enforce", "audit"
	Scope    string    `json:"scope"`
	Entries  int       `json:"entries"`
	File     string    `json:"file,omitempty"`
	Modified time.Time `json:"file_modified,omitzero"`
	Alarm    string    `json:"alarm,omitempty"`

	Groups *groupsStatus `json:"groups,omitempty"`
}

type groupsStatus struct {
	Names    []string  `json:"names"`
	Members  int       `json:"members"`
	Expanded time.Time `json:"expanded,omitzero"`
	Error    string    `json:"error,omitempty"`
}

type minuteStatus struct {
	Time   time.Time               `json:"time"`
	Counts map[outcome.Outcome]int `json:"counts,omitempty"`
	minute minute
}

// seconds is a duration that is a number in JSON.
type seconds time.Duration

// MarshalJSON returns the number of seconds, rounded to microseconds.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Round(time.Microsecond).Seconds(), 'f', -1, 64), nil
}

// status returns the current status.
func (a *Admin) status() *status {
	now, state, tokens := time.Now(), a.config.Health(), a.config.Token()
	s := &status{
		Time: now, Version: a.config.Version, Begun: a.started, Exchange: a.config.Exchange, Ready: state.Ready(),
		Responses: responsesStatusOf(a.config.Responses()),
		Token:     tokenStatusOf(tokens), Certificates: certificateStatuses(tokens), Source: a.source(tokens), AllowList: allowListStatusOf(a.config.AllowList()),
		Listen: a.listen,
	}
	s.Traffic = trafficStatusOf(a.traffic.Summary(), s.AllowList.Mode)
	s.Requests, s.Problems = a.history.recent()
	s.InFlight, s.Running = a.running.oldest()
	if !s.Ready {
		s.Cause = state.NotReady.Text()
		s.NotReady = "not ready: " + s.Cause
	}
	for _, alarm := range state.Alarms {
		s.Alarms = append(s.Alarms, alarm.Text(now))
	}
	for _, m := range a.history.hour(now) {
		s.Minutes = append(s.Minutes, minuteStatus{time.Unix(m.at*60, 0), m.byOutcome(), m})
	}
	return s
}

// A mailboxStatus says whether clients may open a mailbox.
type mailboxStatus struct {
	Mailbox string
	Allowed bool
}

func (a *Admin) mailboxStatus(address string) *mailboxStatus {
	address = strings.Trim(address, " ")
	return &mailboxStatus{bounded(address), a.config.Allows(address)}
}

func responsesStatusOf(e health.ExchangeState) responsesStatus {
	s := responsesStatus{LastGood: e.LastGood, Failures: e.Failures, Last: e.Last}
	if f := e.First; f != nil {
		s.First = &failureStatus{f.At, f.Reason, string(f.Fault), f.Status, f.Cause, f.Remedy}
	}
	return s
}

func tokenStatusOf(k token.Status) tokenStatus {
	t := tokenStatus{
		Usable: k.Usable, Expires: k.Expires, Refresh: k.NextRefresh, Obtained: k.LastToken, ClockSkew: seconds(k.ClockSkew),
		Audience: bounded(k.Claims.Audience), Tenant: bounded(k.Claims.TenantID), App: bounded(k.Claims.AppID), AuthKind: bounded(k.Claims.AuthKind),
		FullAccess: k.Claims.FullAccess(), Failures: k.Failures,
	}
	for _, role := range k.Claims.Roles[:min(len(k.Claims.Roles), 16)] {
		t.Roles = append(t.Roles, bounded(role))
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

func (a *Admin) source(k token.Status) sourceStatus {
	c := a.config.Source
	s := sourceStatus{From: c.From, Name: c.Name, KeyMode: c.KeyMode, LastSuccess: k.LastCertificate}
	if k.CertificatesErr != nil {
		s.Error = k.CertificatesErr.Error()
	}
	return s
}

func allowListStatusOf(l AllowList) allowListStatus {
	s := allowListStatus{Mode: l.Mode, Scope: l.Scope, Entries: l.Entries, File: l.File}
	if g := l.Groups; g != nil {
		s.Groups = &groupsStatus{Names: g.Names[:min(len(g.Names), 16)], Members: g.Members, Expanded: g.At}
		if g.Err != nil {
			s.Groups.Error = g.Err.Error()
		}
	}
	if l.Err != nil {
		s.Alarm = l.Err.Error()
	}
	if l.File != "" {
		if info, err := os.Stat(l.File); err == nil {
			s.Modified = info.ModTime()
		}
	}
	return s
}

// byOutcome returns the counts that are not 0.
func (m minute) byOutcome() map[outcome.Outcome]int {
	var counts map[outcome.Outcome]int
	for i, n := range m.counts {
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = make(map[outcome.Outcome]int)
		}
		counts[outcome.All()[i]] = n
	}
	return counts
}

func (s *status) serveJSON(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(s)
}
