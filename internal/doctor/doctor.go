// Package doctor finds out why hmaproxy does not work. It walks the chain from
// the configuration over Key Vault and Entra ID to a mailbox, with the
// configuration and the code of the product itself, and says of each link
// whether it holds; of one that does not, what was observed, the likely cause
// and the command that repairs it.
//
// Run is the whole of it. Text and WriteJSON write down its Results.
//
// No Result holds a secret, a token, or text that a library or a service has
// chosen freely.
package doctor

import (
	"context"

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
)

// Options say what to examine.
type Options struct {
	Config      *config.Config // nil exactly when ConfigError is not
	ConfigError error          // what Load said; its text must not hold values

	Mailbox   string // to be opened as a test; "" means the default mailbox, or the first address of the allow-list
	Forbidden string // a mailbox that must stay closed; "" leaves the question out

	Dial   httpclient.Dialer // nil: the network
	Report func(Result)      // called for each check as it ends, in order; nil: nobody is told
}

// Run makes every check, those whose foundation is missing excepted, and
// returns all Results in order. It ends early when ctx does. The only changes
// that it makes anywhere are lines in the services' logs.
func Run(ctx context.Context, o Options) []Result {
	x := newExamination(o)
	var all []Result
	plan := x.plan()
	for i, c := range plan {
		r := x.perform(ctx, c)
		r.Check, r.Title = c.id, c.title
		x.done[c.id] = r
		r = x.clean(r)
		all = append(all, r)
		if o.Report != nil {
			o.Report(r)
		}
		if i == 0 && r.Status != Skipped && !r.stops() {
			begin(ctx, plan)
		}
	}
	return all
}

// begin starts the checks of connections together, since most of their time is
// waiting: a network that drops everything is told of in the time of one.
func begin(ctx context.Context, plan []check) {
	for i := range plan {
		run, ended := plan[i].run, make(chan Result, 1)
		if plan[i].ahead {
			go func() { ended <- run(ctx) }()
			plan[i].run = func(context.Context) Result { return <-ended }
		}
	}
}

// A check is one link of the chain.
type check struct {
	id, title string
	needs     []string // checks that must have passed
	run       func(context.Context) Result
	ahead     bool // it needs nothing but the configuration, and can run beside others
}

var configured = []string{"configuration"}

// plan returns the checks that the configuration calls for.
func (x *examination) plan() []check {
	plan := []check{{id: "configuration", title: "configuration", run: x.checkConfig}}
	if x.config == nil {
		return append(plan, check{id: "rest", title: "everything else", needs: configured})
	}
	plan = append(plan, x.planNetwork()...)
	plan = append(plan, x.planCertificate()...)
	return append(plan,
		check{id: "token", title: "Entra ID: access token", needs: x.tokenNeeds(), run: x.checkToken},
		check{id: "claims", title: "Entra ID: claims of the token", needs: []string{"token"}, run: x.checkClaims},
		check{id: "challenge", title: "Exchange: what it asks for", needs: []string{"exchange"}, run: x.checkChallenge},
		check{id: "acceptance", title: "Exchange: accepts the token", needs: []string{"challenge", "token"}, run: x.checkAcceptance},
		check{id: "mailbox", title: "Exchange: opens a mailbox", needs: []string{"acceptance"}, run: x.checkMailbox},
		check{id: "forbidden", title: "Exchange: keeps a mailbox closed", needs: []string{"acceptance"}, run: x.checkForbidden},
	)
}

func (x *examination) tokenNeeds() []string {
	if x.config.FromVault() && x.config.KeyMode == config.KeyVault {
		return []string{"certificate", "tenant", "vault-sign"}
	}
	return []string{"certificate", "tenant"}
}

func (x *examination) planNetwork() []check {
	var plan []check
	if x.config.FromVault() {
		plan = append(plan, check{id: "vault", title: "Key Vault: connection", needs: configured, run: x.checkVaultConnection, ahead: true})
	}
	return append(plan,
		check{id: "entra", title: "Entra ID: connection", needs: configured, run: x.checkEntraConnection, ahead: true},
		check{id: "exchange", title: "Exchange: connection", needs: configured, run: x.checkExchangeConnection, ahead: true},
		check{id: "clock", title: "clocks", needs: configured, run: x.checkClock},
		check{id: "tenant", title: "Entra ID: tenant", needs: []string{"entra"}, run: x.checkTenant},
	)
}

func (x *examination) planCertificate() []check {
	if !x.config.FromVault() {
		return []check{{id: "certificate", title: "certificate", needs: configured, run: x.checkFile}}
	}
	plan := []check{
		{id: "vault-login", title: "Key Vault: sign-in", needs: []string{"vault", "entra"}, run: x.checkVaultLogin},
		{id: "vault-secret", title: "Key Vault: permission", needs: []string{"vault-login"}, run: x.checkVaultSecret},
		{id: "certificate", title: "certificate", needs: []string{"vault-secret"}, run: x.checkCertificate},
	}
	if x.config.KeyMode == config.KeyVault {
		plan = append(plan, check{id: "vault-sign", title: "Key Vault: signing", needs: []string{"certificate"}, run: x.checkSigning})
	}
	return plan
}

// perform runs a check, or says why it cannot be run.
func (x *examination) perform(ctx context.Context, c check) Result {
	for _, need := range c.needs {
		switch r := x.done[need]; {
		case r.stops():
			return Result{Status: Skipped, Detail: "“" + r.Title + "” failed", root: "“" + r.Title + "” failed"}
		case r.Status == Skipped && r.root != "":
			return Result{Status: Skipped, Detail: r.root, root: r.root}
		case r.Status == Skipped:
			return skipped("“" + r.Title + "” was not run")
		}
	}
	if ctx.Err() != nil {
		return skipped("the time set by -timeout was over, or somebody interrupted")
	}
	r := c.run(ctx)
	if ctx.Err() != nil && r.Status == Failed {
		return skipped("it had not ended when the time set by -timeout was over, or somebody interrupted")
	}
	return r
}
