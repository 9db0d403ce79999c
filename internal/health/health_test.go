package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/token"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// good returns the status of a keeper without any fault.
func good() token.Status {
	return token.Status{
		Usable: true, Expires: now.Add(time.Hour), Claims: token.Claims{Roles: []string{"full_access_as_app"}},
		Active: &token.Leaf{NotAfter: now.Add(90 * 24 * time.Hour)},
	}
}

func TestAlarmsForToken(t *testing.T) {
	if list := health.AlarmsFor(good(), now); list != nil {
		t.Errorf("without a fault: %v", list)
	}
	cases := []struct {
		name string
		edit func(*token.Status)
		want string // "": no alarm
	}{
		{"look-up failed", func(s *token.Status) { s.CertificatesErr = errors.New("key vault: 403 ForbiddenByRbac") }, "ForbiddenByRbac"},
		{"look-up failed and there is no certificate", func(s *token.Status) {
			s.CertificatesErr, s.Usable, s.Active = errors.New("key vault: 403 ForbiddenByRbac"), false, nil
		}, "requests fail: the certificate could not be read: key vault: 403 ForbiddenByRbac"},
		{"refresh failed", func(s *token.Status) { s.Err = &token.Error{AADSTS: 7000222} }, "ends in 60 min: "},
		{"refresh failed without a usable token", func(s *token.Status) { s.Err, s.Usable = &token.Error{}, false }, ""},
		{"role missing", func(s *token.Status) { s.Claims.Roles = nil }, "full_access_as_app"},
		{"clock at the limit", func(s *token.Status) { s.ClockSkew = time.Minute }, ""},
		{"clock beyond the limit", func(s *token.Status) { s.ClockSkew = -90 * time.Second }, "by -1m30s"},
		{"candidate refused", func(s *token.Status) {
			s.Candidate, s.CandidateErr = &token.Leaf{SHA1: "AB12", NotAfter: now}, &token.Error{AADSTS: 700027}
		}, "thumbprint AB12: "},
		{"candidate not tried", func(s *token.Status) { s.Candidate = &token.Leaf{} }, ""},
		{"certificate ends in 30 days", func(s *token.Status) { s.Active.NotAfter = now.Add(30 * 24 * time.Hour) }, ""},
		{"certificate ends in 3 days", func(s *token.Status) { s.Active.NotAfter = now.Add(3*24*time.Hour + time.Minute) }, "ends in 3 days"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := good()
			tc.edit(&s)
			list := health.AlarmsFor(s, now)
			if tc.want == "" && len(list) == 0 {
				return
			}
			if len(list) != 1 || tc.want == "" || !strings.Contains(list[0].Text(now), tc.want) {
				t.Errorf("alarms %v, want one with %q", list, tc.want)
			}
		})
	}
}

func TestNotReadyFor(t *testing.T) {
	refused := &token.Error{Class: token.Configuration, AADSTS: 700016}
	for _, tc := range []struct {
		name string
		s    token.Status
		want health.Cause // 0: ready
	}{
		{"usable", good(), 0},
		{"usable although the refresh fails", token.Status{Usable: true, Err: refused}, 0},
		{"before the first attempt", token.Status{}, health.NoTokenYet},
		{"refused", token.Status{Err: refused, CertificatesErr: errors.New("404")}, health.NoToken},
		{"no certificate", token.Status{CertificatesErr: errors.New("404")}, health.NoCertificate},
	} {
		got := health.NotReadyFor(tc.s)
		if (got == nil) != (tc.want == 0) || got != nil && got.Cause != tc.want {
			t.Errorf("%s: %+v, want cause %d", tc.name, got, tc.want)
		}
		if s := (health.State{NotReady: got}); s.Ready() != (tc.want == 0) {
			t.Errorf("%s: Ready = %v", tc.name, s.Ready())
		}
	}
}

func TestEveryKindHasAText(t *testing.T) {
	for k := health.FileNotReloaded; k <= health.ExchangeFails; k++ {
		if text := (health.Alarm{Kind: k, Exchange: health.ExchangeState{First: &health.ExchangeFailure{}}}).Text(now); text == "unknown alarm" {
			t.Errorf("kind %d: %q", k, text)
		}
	}
	for c := health.Stopping; c <= health.GroupsNotExpanded; c++ {
		if text := (health.NotReady{Cause: c}).Text(); text == "unknown cause" {
			t.Errorf("cause %d: %q", c, text)
		}
	}
}

func TestFirstCertificateIsACandidate(t *testing.T) {
	list := health.Certificates(token.Status{Fallback: &token.Leaf{SHA1: "AB12"}})
	if len(list) != 1 || list[0].Slot != health.Candidate {
		t.Errorf("%+v", list)
	}
}
