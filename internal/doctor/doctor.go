// Package doctor finds out why hmaproxy does not work. It checks the
// configuration, the connections, Key Vault, Entra ID and Exchange in the order
// in which the product needs them, with the product's own code and HTTP
// clients. For each check that fails it reports what was observed, the likely
// cause and the command that repairs it.
//
// [Run] makes the checks. [Autodiscover] checks where clients find Exchange.
// [Text] and [WriteJSON] write the Results.
//
// # Structure
//
// A check gathers facts, which may need the network, and evaluates them, which
// does not. The possible failures and their remedies are data: tables of rules
// that map an observation to an explanation.
//
//	check.go        the ordered list of checks, and how they run
//	facts.go        the values that checks gather and evaluate
//	session.go      the HTTP clients
//	explanation.go  rules and explanations, and the words in braces in them
//
// Most other files hold one check, or the rules of one check.
//
// No Result holds a secret or a token. Texts from libraries and services are
// shortened, and parts that look like a token are removed.
package doctor

import (
	"context"

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
)

// Options are the input of Run.
type Options struct {
	Config      *config.Config // nil if and only if ConfigError is not nil
	ConfigError error          // the error of config.Load; its text must not contain the values of settings

	Mailbox   string // mailbox to open; "" means the default mailbox, or the first address of the allow-list
	Forbidden string // mailbox that Exchange or the allow-list must refuse; "" skips the check

	Dial   httpclient.Dialer // nil: the network
	Report func(Result)      // called in order as each check ends; may be nil
}

// Run makes every check whose prerequisites hold and returns all Results in
// order. It ends early when ctx ends. It changes nothing; its requests appear
// in the logs of the services.
func Run(ctx context.Context, o Options) []Result {
	s, f := newSession(o), newFacts(o)
	rn := runner{session: s, facts: f, done: map[string]Result{}, early: map[string]chan struct{}{}}
	checks := checksFor(o.Config)
	var all []Result
	for i, c := range checks {
		r := rn.run(ctx, c)
		r.Check, r.Title = c.id, c.title
		rn.done[c.id] = r
		r = s.redactor.clean(r)
		all = append(all, r)
		if o.Report != nil {
			o.Report(r)
		}
		if i == 0 && r.Status != Skipped && !r.stops() {
			rn.beginEarly(ctx, checks)
		}
	}
	return all
}
