package app

import (
	"sync/atomic"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/groups"
	"hmaproxy/internal/health"
	"hmaproxy/internal/logging"
	"hmaproxy/internal/metrics"
	"hmaproxy/internal/statuspage"
	"hmaproxy/token"
)

// A state collects the data for health, metrics and the status page from the
// parts of the product. It owns the fields exchange and draining; the other
// fields belong to those parts.
type state struct {
	files   *files
	keeper  *token.Keeper
	groups  *groups.Keeper       // nil without groups
	readLog func() logging.State // nil: unknown

	exchange health.Exchange
	draining atomic.Bool
}

// health returns the current health.
func (s *state) health() health.State {
	status := s.keeper.Status()
	h := health.State{NotReady: health.NotReadyFor(status)}
	if s.draining.Load() {
		h.NotReady = &health.NotReady{Cause: health.Stopping}
	}
	now := time.Now()
	h.Alarms = append(s.files.alarms(), health.AlarmsFor(status, now)...)
	h.Alarms = append(h.Alarms, health.AlarmsForListener(s.files.keyPairs.Certificates(), now)...)
	h.Alarms = append(h.Alarms, health.AlarmsForExchange(s.exchange.State())...)
	h.Alarms = append(h.Alarms, logAlarms(s.logState(), now)...)
	s.groupsHealth(&h)
	return h
}

// dropAlarm is how long the alarm about dropped log lines lasts after the latest
// dropped line.
const dropAlarm = 10 * time.Minute

func logAlarms(s logging.State, now time.Time) []health.Alarm {
	var alarms []health.Alarm
	if s.Blocked || s.Dropped > 0 && now.Sub(s.Last) < dropAlarm {
		alarms = append(alarms, health.Alarm{Kind: health.LogDropped, Count: s.Dropped})
	}
	if s.FileErr != nil {
		alarms = append(alarms, health.Alarm{Kind: health.LogFileFailed, Err: s.FileErr})
	}
	return alarms
}

func (s *state) logState() logging.State {
	if s.readLog == nil {
		return logging.State{}
	}
	return s.readLog()
}

func (s *state) metricsState() metrics.State {
	list := s.allowList()
	m := metrics.State{
		Token:     s.keeper.Status(),
		Ready:     s.health().Ready(),
		Exchange:  s.exchange.State(),
		Listener:  s.files.keyPairs.Certificates(),
		AllowList: metrics.AllowList{Entries: list.Entries, Mode: list.Mode, Scope: list.Scope, Failed: list.Err != nil},
	}
	log := s.logState()
	m.Log = metrics.Log{Dropped: log.Dropped, Alarm: len(logAlarms(log, time.Now())) > 0}
	if s.groups != nil {
		failed := s.groups.Status().Err != nil
		m.AllowList.Failed = m.AllowList.Failed || failed
		m.Files = append(m.Files, metrics.File{Variable: groupsVariable, Failed: failed})
	}
	for _, w := range s.files.watchers {
		m.Files = append(m.Files, metrics.File{Variable: w.Variable(), Failed: w.Err() != nil})
	}
	return m
}

// groupsOnPage describes the groups for the status page. It returns nil if no
// groups are configured.
func (s *state) groupsOnPage() *statuspage.Groups {
	if s.groups == nil {
		return nil
	}
	g := s.groups.Status()
	return &statuspage.Groups{Names: g.Groups, Members: g.Members, At: g.At, Err: g.Err}
}

// allowList describes the current allow-list with its groups.
func (s *state) allowList() statuspage.AllowList {
	l := s.files.allowList()
	l.Groups = s.groupsOnPage()
	return l
}

// groupsHealth adds the state of the groups to h.
func (s *state) groupsHealth(h *health.State) {
	if s.groups == nil {
		return
	}
	status := s.groups.Status()
	waiting := s.groups.Waiting(time.Now())
	if waiting && h.NotReady == nil {
		h.NotReady = &health.NotReady{Cause: health.GroupsNotExpanded, Err: status.Err}
	}
	if status.Err != nil {
		h.Alarms = append(h.Alarms, health.Alarm{Kind: health.GroupsAlarm, Err: status.Err})
	}
}

func certificateSource(c *config.Config) statuspage.CertificateSource {
	switch {
	case c.Federated():
		return statuspage.CertificateSource{From: "federated credential (experimental)", Name: string(c.AppAuth), KeyMode: "federated"}
	case c.FromStore():
		return statuspage.CertificateSource{From: "windows store", Name: c.CertStore.String() + " " + string(c.CertThumbprint) + string(c.CertSubject), KeyMode: "windows"}
	case c.FromVault():
		return statuspage.CertificateSource{From: "key vault", Name: c.VaultURI.Host + "/" + string(c.VaultCertName), KeyMode: string(c.KeyMode)}
	}
	return statuspage.CertificateSource{From: "file", Name: string(c.CertFile), KeyMode: string(config.KeyMemory)}
}
