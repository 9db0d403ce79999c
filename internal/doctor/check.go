package doctor

import (
	"context"

	"hmaproxy/internal/config"
)

// A check gathers facts and evaluates them.
type check struct {
	id, title string
	needs     []string // ids of the checks that this one needs

	gather   func(context.Context, *session, *facts) // may be nil when evaluate uses only facts of other checks
	evaluate func(*facts) Result

	early bool // gather needs only the configuration and runs concurrently with other checks
}

// checksFor returns the checks for a configuration, in order. c is nil when
// there is no valid configuration.
func checksFor(c *config.Config) []check {
	all := []check{{id: "configuration", title: "configuration", gather: gatherSetup, evaluate: evaluateConfiguration}}
	if c == nil {
		return append(all, check{id: "rest", title: "everything else", needs: []string{"configuration"}})
	}
	all = append(all, check{id: "allow-list", title: "allow-list", needs: []string{"configuration"}, evaluate: evaluateAccess})
	all = append(all, connectionChecks(c)...)
	all = append(all, certificateChecks(c)...)
	tokenNeeds := []string{"certificate", "tenant"}
	if c.Federated() {
		tokenNeeds = []string{"credential", "tenant"}
	}
	if signsInVault(c) {
		tokenNeeds = append(tokenNeeds, "vault-sign")
	}
	all = append(all,
		check{id: "token", title: "Entra ID: access token", needs: tokenNeeds, gather: gatherToken, evaluate: evaluateToken},
		check{id: "claims", title: "Entra ID: claims of the token", needs: []string{"token"}, gather: gatherClaims, evaluate: evaluateClaims},
		check{id: "challenge", title: "Exchange: authentication offered", needs: []string{"exchange"}, gather: gatherChallenge, evaluate: evaluateChallenge},
		check{id: "acceptance", title: "Exchange: accepts the token", needs: []string{"challenge", "token"}, gather: gatherAcceptance, evaluate: evaluateAcceptance},
		check{id: "expect", title: "Exchange: large requests", needs: []string{"acceptance"}, gather: gatherExpect, evaluate: evaluateExpect},
	)
	if c.AllowedGroups != nil {
		all = append(all, check{id: "groups", title: "Exchange: expands the groups", needs: []string{"acceptance"}, gather: gatherGroups, evaluate: evaluateGroups})
	}
	return append(all,
		check{id: "mailbox", title: "Exchange: opens a mailbox", needs: []string{"acceptance"}, gather: gatherMailbox, evaluate: evaluateMailbox},
		check{id: "forbidden", title: "Exchange: keeps a mailbox closed", needs: []string{"acceptance"}, gather: gatherForbidden, evaluate: evaluateForbidden},
	)
}

func connectionChecks(c *config.Config) []check {
	needs := []string{"configuration"}
	var all []check
	if c.FromVault() {
		all = append(all, check{id: "vault", title: "Key Vault: connection", needs: needs, gather: gatherVaultConnection, evaluate: evaluateVaultConnection, early: true})
	}
	return append(all,
		check{id: "entra", title: "Entra ID: connection", needs: needs, gather: gatherEntraConnection, evaluate: evaluateEntraConnection, early: true},
		check{id: "exchange", title: "Exchange: connection", needs: needs, gather: gatherExchangeConnection, evaluate: evaluateExchangeConnection, early: true},
		check{id: "clock", title: "clocks", needs: needs, evaluate: evaluateClocks},
		check{id: "tenant", title: "Entra ID: tenant", needs: []string{"entra"}, evaluate: evaluateTenant},
	)
}

func certificateChecks(c *config.Config) []check {
	if c.Federated() {
		return []check{credentialCheck}
	}
	if !c.FromVault() {
		return []check{{id: "certificate", title: "certificate", needs: []string{"configuration"}, gather: gatherCertificateFile, evaluate: evaluateCertificate}}
	}
	all := []check{
		{id: "vault-login", title: "Key Vault: sign-in", needs: []string{"vault", "entra"}, gather: gatherCertificates, evaluate: evaluateVaultLogin},
		{id: "vault-secret", title: "Key Vault: permission", needs: []string{"vault-login"}, evaluate: evaluateVaultSecret},
		{id: "certificate", title: "certificate", needs: []string{"vault-secret"}, evaluate: evaluateCertificate},
	}
	if signsInVault(c) {
		all = append(all, check{id: "vault-sign", title: "Key Vault: signing", needs: []string{"certificate"}, gather: gatherSignature, evaluate: evaluateSignature})
	}
	return all
}

func signsInVault(c *config.Config) bool { return c.FromVault() && c.KeyMode == config.KeyVault }

// A runner runs checks in order.
type runner struct {
	session *session
	facts   *facts
	done    map[string]Result
	early   map[string]chan struct{} // closed when the check's facts are gathered
}

// beginEarly starts gathering the facts of connections concurrently, so that a
// network that drops packets costs one timeout instead of up to three.
func (rn *runner) beginEarly(ctx context.Context, checks []check) {
	for _, c := range checks {
		if !c.early {
			continue
		}
		gathered := make(chan struct{})
		rn.early[c.id] = gathered
		go func() {
			defer close(gathered)
			c.gather(ctx, rn.session, rn.facts)
		}()
	}
}

// run runs a check, or reports why it cannot be run.
func (rn *runner) run(ctx context.Context, c check) Result {
	if r, missing := rn.missing(c.needs); missing {
		return r
	}
	if ctx.Err() != nil {
		return skipped("the time set by -timeout was over, or the run was interrupted")
	}
	switch gathered := rn.early[c.id]; {
	case gathered != nil:
		<-gathered
	case c.gather != nil:
		c.gather(ctx, rn.session, rn.facts)
	}
	r := c.evaluate(rn.facts)
	if ctx.Err() != nil && r.Status == Failed {
		return skipped("it had not ended when the time set by -timeout was over, or the run was interrupted")
	}
	return r
}

// missing reports whether a check that needs these checks cannot run, because one
// of them was skipped or failed without carryOn. If so, it also returns the Result
// of the check that cannot run.
func (rn *runner) missing(needs []string) (Result, bool) {
	for _, need := range needs {
		switch r := rn.done[need]; {
		case r.stops():
			root := "“" + r.Title + "” failed"
			return Result{Status: Skipped, Detail: root, root: root}, true
		case r.Status == Skipped && r.root != "":
			return Result{Status: Skipped, Detail: r.root, root: r.root}, true
		case r.Status == Skipped:
			return skipped("“" + r.Title + "” was not run"), true
		}
	}
	return Result{}, false
}
