package app

import (
	"time"

	"hmaproxy/internal/accesslog"
	"hmaproxy/internal/config"
	"hmaproxy/internal/health"
	"hmaproxy/internal/logging"
	"hmaproxy/internal/metrics"
	"hmaproxy/internal/statuspage"
	"hmaproxy/token"
)

// newObserver makes what shows the state and records requests.
func (a *app) newObserver() (*observer, error) {
	m := metrics.New(a.options.Version)
	if err := m.Observe(a.metricsState); err != nil {
		return nil, err
	}
	admin := statuspage.New(statuspage.Config{
		Version:   a.options.Version,
		Exchange:  a.options.Config.EWS.String(),
		Source:    certificateSource(a.options.Config),
		Health:    a.health,
		Token:     func() token.Status { return a.keeper.Status() },
		AllowList: a.allowList,
		Responses: a.exchange.State,
		Allows:    func(address string) bool { return a.files.policy().Allows(address) },
		Metrics:   m,
	})
	return &observer{log: accesslog.New(a.log), metrics: m, admin: admin, exchange: &a.exchange, further: a.options.Done}, nil
}

// health returns the health at present.
func (a *app) health() health.State {
	status := a.keeper.Status()
	s := health.State{NotReady: health.NotReadyFor(status)}
	if a.draining.Load() {
		s.NotReady = &health.NotReady{Cause: health.Stopping}
	}
	now := time.Now()
	s.Alarms = append(a.files.alarms(), health.AlarmsFor(status, now)...)
	s.Alarms = append(s.Alarms, health.AlarmsForExchange(a.exchange.State())...)
	s.Alarms = append(s.Alarms, logAlarms(a.logState(), now)...)
	a.groupsHealth(&s)
	return s
}

// dropAlarm is how long dropped log lines are an alarm.
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

func (a *app) logState() logging.State {
	if a.options.LogState == nil {
		return logging.State{}
	}
	return a.options.LogState()
}

func (a *app) metricsState() metrics.State {
	list := a.allowList()
	s := metrics.State{
		Token:     a.keeper.Status(),
		Ready:     a.health().Ready(),
		Exchange:  a.exchange.State(),
		AllowList: metrics.AllowList{Entries: list.Entries, Mode: list.Mode, Scope: list.Scope, Failed: list.Err != nil},
	}
	log := a.logState()
	s.Log = metrics.Log{Dropped: log.Dropped, Alarm: len(logAlarms(log, time.Now())) > 0}
	if a.groups != nil {
		failed := a.groups.Status().Err != nil
		s.AllowList.Failed = s.AllowList.Failed || failed
		s.Files = append(s.Files, metrics.File{Variable: groupsVariable, Failed: failed})
	}
	for _, w := range a.files.watchers {
		s.Files = append(s.Files, metrics.File{Variable: w.Variable(), Failed: w.Err() != nil})
	}
	return s
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
