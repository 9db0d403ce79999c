package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	tolerated  = 5 * time.Minute // by Entra and Exchange
	remarkable = time.Minute
)

var setClock = []string{
	"Linux: timedatectl set-ntp true; chronyc makestep",
	"Windows: w32tm /resync     # then: w32tm /query /status",
	"virtual machines and containers have their host's clock: correct it there",
}

// checkClock compares the clocks of this machine and of the services. Entra's
// and Key Vault's are taken for right.
func (x *examination) checkClock(context.Context) Result {
	var compared []string
	var worst, exchange time.Duration
	reference := false
	for _, s := range [...]struct{ id, name string }{{"entra", "Entra ID"}, {"vault", "Key Vault"}, {"exchange", "Exchange"}} {
		p := x.probes[s.id]
		if p == nil || p.clock.date.IsZero() {
			continue
		}
		d := p.clock.skew()
		compared = append(compared, fmt.Sprintf("%s %s", aheadOrBehind(d), s.name))
		switch {
		case s.id == "exchange":
			exchange = d
		case !reference || d.Abs() > worst.Abs():
			worst, reference = d, true
		}
	}
	if len(compared) == 0 {
		return skipped("no service told the time")
	}
	return judgeClocks("this machine's clock is "+strings.Join(compared, ", "), worst, exchange, reference, x.probes["exchange"])
}

func judgeClocks(detail string, worst, exchange time.Duration, reference bool, p *probe) Result {
	known := p != nil && !p.clock.date.IsZero()
	switch {
	case worst.Abs() > tolerated:
		r := failed(detail, "this machine's clock is wrong by "+age(worst)+": Entra ID refuses what is signed more than five minutes off (AADSTS700024)", setClock...)
		r.carryOn = true
		return r
	case reference && known && (exchange-worst).Abs() > tolerated:
		r := failed(detail, "the Exchange server's clock is wrong: it takes good tokens for expired or not yet valid",
			"on the Exchange servers: w32tm /resync; w32tm /query /status")
		r.carryOn = true
		return r
	case !reference && known && exchange.Abs() > tolerated:
		r := failed(detail, "the clocks of this machine and of Exchange differ by "+age(exchange)+", and no third one could be asked", setClock...)
		r.carryOn = true
		return r
	case worst.Abs() > remarkable:
		return ok(detail, "the clock is off by "+age(worst)+"; five minutes are tolerated")
	}
	return ok(detail)
}

// aheadOrBehind continues "the clock is …".
func aheadOrBehind(d time.Duration) string {
	switch {
	case d.Abs() <= 2*time.Second:
		return "in step with"
	case d > 0:
		return age(d) + " ahead of"
	}
	return age(d) + " behind"
}
