package sidecar

import (
	"fmt"
	"strings"
	"time"
)

// How early the status page begins to remind. The alert rules in
// deploy/monitoring use the same spans.
const (
	remindCertificate = 30 * 24 * time.Hour
	remindSkew        = time.Minute
)

// alarms lists what a person should look into while requests are still served.
func (s *status) alarms(now time.Time) []string {
	var list []string
	alarm := func(on bool, format string, args ...any) {
		if on {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	alarm(s.AllowList.Mode == "none", "There is no allow-list: clients may open every mailbox of the organisation.")
	alarm(s.AllowList.Mode == "audit", "The allow-list only audits: what it does not allow is forwarded all the same.")
	alarm(s.Source.Error != "", "The certificate could not be read, so a renewed one goes unnoticed: %s", s.Source.Error)
	alarm(s.Token.Error != nil && s.Token.Usable, "The token cannot be refreshed and ends %s: %s", until(now, s.Token.Expires), s.errorText())
	alarm(s.Token.Usable && !s.Token.FullAccess, "The token lacks the role full_access_as_app: Exchange will refuse it.")
	skew := time.Duration(s.Token.ClockSkew)
	alarm(skew.Abs() > remindSkew, "This machine's clock differs from Entra's by %s.", skew.Round(time.Second))
	for _, c := range s.Certificates {
		alarm(c.Refused != "", "The newest certificate is not in use. Register its thumbprint %s: %s", c.SHA1, c.Refused)
		alarm(c.Slot == "active" && c.NotAfter.Sub(now) < remindCertificate, "The active certificate ends %s.", until(now, c.NotAfter))
	}
	return list
}

// remarks takes the lines apart that /ready shows.
func remarks(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		list = append(list, strings.TrimPrefix(strings.TrimSpace(line), "alarm: "))
	}
	return list
}

func (s *status) errorText() string {
	if s.Token.Error == nil {
		return ""
	}
	return s.Token.Error.Text
}

// until says how far off a moment is: "in 38 min", "2 days ago".
func until(now, t time.Time) string {
	if d := t.Sub(now); d >= 0 {
		return "in " + about(d)
	}
	return about(now.Sub(t)) + " ago"
}

// about says a span in its largest unit.
func about(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
