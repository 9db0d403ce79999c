package doctor

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	toleratedSkew  = 5 * time.Minute // accepted by Entra ID and Exchange
	remarkableSkew = time.Minute
)

var setClock = []string{
	"Linux: timedatectl set-ntp true; chronyc makestep",
	"Windows: w32tm /resync     # then: w32tm /query /status",
	"virtual machines and containers have their host's clock: correct it there",
}

// evaluateClocks compares the clock of this machine with the clocks of the
// services. It assumes that the clocks of Entra ID and Key Vault are right.
func evaluateClocks(f *facts) Result {
	var compared []string
	var here, exchange clockSkew
	for _, s := range [...]struct {
		name string
		c    connection
	}{{"Entra ID", f.network.entra}, {"Key Vault", f.network.vault}, {"Exchange", f.network.exchange}} {
		if !s.c.response.clock.known() {
			continue
		}
		d := s.c.response.clock.skew()
		compared = append(compared, aheadOrBehind(d)+" "+s.name)
		switch {
		case s.c.target.exchange:
			exchange = clockSkew{d, true}
		case !here.known || d.Abs() > here.d.Abs():
			here = clockSkew{d, true}
		}
	}
	if len(compared) == 0 {
		return skipped("no service sent the time")
	}
	return compareClocks(f, "this machine's clock is "+strings.Join(compared, ", "), here, exchange)
}

type clockSkew struct {
	d     time.Duration
	known bool
}

// compareClocks evaluates how far the local clock differs from Entra ID's and
// Key Vault's, and from Exchange's.
func compareClocks(f *facts, detail string, here, exchange clockSkew) Result {
	switch {
	case here.d.Abs() > toleratedSkew:
		return f.fail(detail, "this machine's clock is wrong by "+age(here.d)+": Entra ID refuses what is signed more than five minutes off (AADSTS700024)", setClock...).goingOn()
	case here.known && exchange.known && (exchange.d-here.d).Abs() > toleratedSkew:
		return f.fail(detail, "the Exchange server's clock is wrong: it treats good tokens as expired or not yet valid",
			"on the Exchange servers: w32tm /resync; w32tm /query /status").goingOn()
	case !here.known && exchange.d.Abs() > toleratedSkew:
		return f.fail(detail, "the clocks of this machine and of Exchange differ by "+age(exchange.d)+", and no other service sent the time", setClock...).goingOn()
	case here.d.Abs() > remarkableSkew:
		return ok(detail, "the clock is off by "+age(here.d)+"; five minutes are tolerated")
	}
	return ok(detail)
}

func readClock(h http.Header) clock {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return clock{}
	}
	return clock{date, time.Now().Round(0)}
}

// aheadOrBehind returns text that continues "the clock is …".
func aheadOrBehind(d time.Duration) string {
	switch {
	case d.Abs() <= 2*time.Second:
		return "in step with"
	case d > 0:
		return age(d) + " ahead of"
	}
	return age(d) + " behind"
}

// age returns a duration as text, without its sign. It truncates the duration
// to whole days, hours, minutes or seconds.
func age(d time.Duration) string {
	switch d = d.Abs(); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
