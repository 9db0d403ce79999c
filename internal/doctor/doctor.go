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
	"hmaproxy/internal/sidecar"
)

// Options say what to examine.
type Options struct {
	Config      *config.Config // nil exactly when ConfigError is not
	ConfigError error          // what Load said; its text must not hold values

	Mailbox   string // to be opened as a test; "" means the default mailbox, or the first address of the allow-list
	Forbidden string // a mailbox that must stay closed; "" leaves the question out

	Dial   sidecar.Dialer // nil: the network
	Report func(Result)   // called for each check as it ends, in order; nil: nobody is told
}

// Run makes every check, those whose foundation is missing excepted, and
// returns all Results in order. It ends early when ctx does. The only changes
// that it makes anywhere are lines in the services' logs.
func Run(ctx context.Context, o Options) []Result {
	x := newExamination(o)
	var all []Result
	for _, c := range x.plan() {
		r := x.perform(ctx, c)
		r.Check, r.Title = c.id, c.title
		x.done[c.id] = r
		r = x.clean(r)
		all = append(all, r)
		if o.Report != nil {
			o.Report(r)
		}
	}
	return all
}

// A check is one link of the chain.
type check struct {
	id, title string
	needs     []string // checks that must have passed
	run       func(context.Context) Result
}

// plan returns the checks that the configuration calls for.
func (x *examination) plan() []check {
	plan := []check{{"configuration", "configuration", nil, x.checkConfig}}
	if x.config == nil {
		return append(plan, check{"rest", "everything else", []string{"configuration"}, nil})
	}
	plan = append(plan, x.planNetwork()...)
	plan = append(plan, x.planCertificate()...)
	return append(plan,
		check{"token", "Entra ID: access token", x.tokenNeeds(), x.checkToken},
		check{"claims", "Entra ID: claims of the token", []string{"token"}, x.checkClaims},
		check{"challenge", "Exchange: what it asks for", []string{"exchange"}, x.checkChallenge},
		check{"acceptance", "Exchange: accepts the token", []string{"challenge", "token"}, x.checkAcceptance},
		check{"mailbox", "Exchange: opens a mailbox", []string{"acceptance"}, x.checkMailbox},
		check{"forbidden", "Exchange: keeps a mailbox closed", []string{"acceptance"}, x.checkForbidden},
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
		plan = append(plan, check{"vault", "Key Vault: connection", nil, x.checkVaultConnection})
	}
	return append(plan,
		check{"entra", "Entra ID: connection", nil, x.checkEntraConnection},
		check{"exchange", "Exchange: connection", nil, x.checkExchangeConnection},
		check{"clock", "clocks", nil, x.checkClock},
		check{"tenant", "Entra ID: tenant", []string{"entra"}, x.checkTenant},
	)
}

func (x *examination) planCertificate() []check {
	if !x.config.FromVault() {
		return []check{{"certificate", "certificate", nil, x.checkFile}}
	}
	plan := []check{
		{"vault-login", "Key Vault: sign-in", []string{"vault", "entra"}, x.checkVaultLogin},
		{"vault-secret", "Key Vault: permission", []string{"vault-login"}, x.checkVaultSecret},
		{"certificate", "certificate", []string{"vault-secret"}, x.checkCertificate},
	}
	if x.config.KeyMode == config.KeyVault {
		plan = append(plan, check{"vault-sign", "Key Vault: signing", []string{"certificate"}, x.checkSigning})
	}
	return plan
}

// perform runs a check, or says why it cannot be run.
func (x *examination) perform(ctx context.Context, c check) Result {
	for _, need := range c.needs {
		switch r := x.done[need]; {
		case r.Status == Failed && !r.carryOn:
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
