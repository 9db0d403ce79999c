package token

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// TestDeadline checks that deadlines follow the wall clock. Timers stop while the
// machine is suspended, but the wall clock continues.
func TestDeadline(t *testing.T) {
	d := after(noon, 40*time.Minute)
	tests := []struct {
		name string
		now  time.Time
		left time.Duration
	}{
		{"at once", noon, 40 * time.Minute},
		{"half way", noon.Add(20 * time.Minute), 20 * time.Minute},
		{"there", noon.Add(40 * time.Minute), 0},
		{"after a night's suspend", noon.Add(9 * time.Hour), 0},
		{"clock set back a little", noon.Add(-30 * time.Second), 40*time.Minute + 30*time.Second},
		{"clock set back an hour", noon.Add(-time.Hour), 0},
	}
	for _, tt := range tests {
		if got := d.left(tt.now); got != tt.left || d.due(tt.now) != (tt.left == 0) {
			t.Errorf("%s: %v left, want %v", tt.name, got, tt.left)
		}
	}
	if !(deadline{}).due(noon) {
		t.Error("the zero deadline is due")
	}
}

func TestUsableUntil(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		time.Hour: 59 * time.Minute, 24 * time.Hour: 24*time.Hour - time.Minute,
		10 * time.Minute: 9 * time.Minute, time.Minute: 54 * time.Second, 10 * time.Second: 9 * time.Second,
	} {
		if got := usableUntil(noon, noon.Add(life)); !got.Equal(noon.Add(want)) {
			t.Errorf("%v: until %v", life, got.Sub(noon))
		}
	}
	h := &servedToken{"t", usableUntil(noon, noon.Add(time.Hour))}
	if !h.usable(noon.Add(59*time.Minute-1)) || h.usable(noon.Add(59*time.Minute)) || h.usable(noon.Add(9*time.Hour)) {
		t.Error("usable is not what the wall clock says")
	}
	if (*servedToken)(nil).usable(noon) {
		t.Error("no token is usable")
	}
}

func TestRefreshDelay(t *testing.T) {
	tests := []struct {
		name          string
		life, advised time.Duration
		jitter        float64
		want          time.Duration
	}{
		{"an hour", time.Hour, 0, 0, 40 * time.Minute},
		{"early", time.Hour, 0, -1, 38 * time.Minute},
		{"late", time.Hour, 0, 1, 42 * time.Minute},
		{"advised", 24 * time.Hour, 12 * time.Hour, 0, 12 * time.Hour},
		{"advised late", time.Hour, 50 * time.Minute, 0, 40 * time.Minute},
		{"advised at once", time.Hour, time.Nanosecond, 0, 10 * time.Second},
		{"advised in the past", time.Hour, -time.Hour, 0, 10 * time.Second},
		{"short life", 6 * time.Second, time.Second, 0, 4 * time.Second},
	}
	for _, tt := range tests {
		advised := time.Time{}
		if tt.advised != 0 {
			advised = noon.Add(tt.advised)
		}
		if got := refreshDelay(noon, noon.Add(tt.life), advised, tt.jitter); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 8: 2 * time.Minute, 1000: 2 * time.Minute} {
		if least, most := backoff(failures, 2*time.Minute, 0), backoff(failures, 2*time.Minute, 1); least != want/2 || most != want {
			t.Errorf("%d failures: %v to %v, want half of to %v", failures, least, most, want)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	tests := []struct {
		name   string
		err    Error
		usable time.Duration
		want   time.Duration // back-off after many failures, with the greatest jitter
	}{
		{"token usable", Error{Class: Transient}, time.Hour, 2 * time.Minute},
		{"none", Error{Class: Transient}, 0, 15 * time.Second},
		{"usable for a moment", Error{Class: Transient}, 10 * time.Second, 25 * time.Second},
		{"certificate", Error{Class: Certificate}, 0, 15 * time.Second},
		{"configuration", Error{Class: Configuration}, time.Hour, 5 * time.Minute},
		{"configuration, none", Error{Class: Configuration}, 0, 5 * time.Minute},
		{"asked to wait, token usable", Error{Class: Transient, RetryAfter: 4 * time.Minute}, time.Hour, 4 * time.Minute},
		{"asked to wait for long, token usable for a moment", Error{Class: Transient, RetryAfter: 4 * time.Minute}, 10 * time.Second, 70 * time.Second},
		{"asked to wait for long, none", Error{Class: Transient, RetryAfter: 4 * time.Minute}, 0, time.Minute},
		{"asked to wait less than the limit", Error{Class: Transient, RetryAfter: 50 * time.Second}, 0, 50 * time.Second},
		{"asked to wait less", Error{Class: Transient, RetryAfter: time.Second}, 0, 15 * time.Second},
	}
	for _, tt := range tests {
		if got := retryDelay(&tt.err, 30, tt.usable, 1); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSkewChanged(t *testing.T) {
	tests := []struct {
		name         string
		skew, warned time.Duration
		want         bool
	}{
		{"none", 0, 0, false},
		{"tolerable", time.Minute, 0, false},
		{"ahead", 61 * time.Second, 0, true},
		{"behind", -61 * time.Second, 0, true},
		{"warned already", 61 * time.Second, 65 * time.Second, false},
		{"grown", 3 * time.Minute, 65 * time.Second, true},
		{"to the other side", -65 * time.Second, 65 * time.Second, true},
		{"gone", 0, 65 * time.Second, true},
	}
	for _, tt := range tests {
		if got := skewChanged(tt.skew, tt.warned); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestLogAlarm(t *testing.T) {
	var a logAlarm
	steps := []struct {
		at   time.Duration
		key  string
		want bool
	}{{0, "a", true}, {time.Minute, "a", false}, {2 * time.Minute, "b", true}, {3 * time.Minute, "b", false},
		{62 * time.Minute, "b", true}, {63 * time.Minute, "b", false}, {-9 * time.Hour, "b", true}}
	for _, s := range steps {
		if got := a.raise(noon.Add(s.at), s.key); got != s.want {
			t.Errorf("at %v %q: %v", s.at, s.key, got)
		}
	}
	if !a.clear() || a.clear() {
		t.Error("clear reports what it cleared")
	}
}
