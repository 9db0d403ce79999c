package doctor

import (
	"context"

	"hmaproxy/internal/config"
)

// A check gathers facts and judges them.
type check struct {
	id, title string
	needs     []string // ids of checks that must not have failed

	gather func(context.Context, *session, *facts) // nil: judge uses facts of other checks
	judge  func(*facts) Result

	early bool // gather needs only the configuration, and runs concurrently with others
}

// checksFor returns the checks that a configuration calls for, in order. c is
// nil when there is no valid configuration.
func checksFor(c *config.Config) []check {
	all := []check{{id: "configuration", title: "configuration", gather: gatherSetup, judge: judgeConfiguration}}
	if c == nil {
		return append(all, check{id: "rest", title: "everything else", needs: []string{"configuration"}})
	}
	all = append(all, check{id: "allow-list", title: "allow-list", needs: []string{"configuration"}, judge: judgeAccess})
	all = append(all, connectionChecks(c)...)
	all = append(all, certificateChecks(c)...)
	tokenNeeds := []string{"certificate", "tenant"}
	if c.Federated() {
		tokenNeeds = []string{"credential", "tenant"}
	}
	if signsInVault(c) {
		tokenNeeds = append(tokenNeeds, "vault-sign")
	}
	return append(all,
		check{id: "token", title: "Entra ID: access token", needs: tokenNeeds, gather: gatherToken, judge: judgeToken},
		check{id: "claims", title: "Entra ID: claims of the token", needs: []string{"token"}, gather: gatherClaims, judge: judgeClaims},
		check{id: "challenge", title: "Exchange: authentication offered", needs: []string{"exchange"}, gather: gatherChallenge, judge: judgeChallenge},
		check{id: "acceptance", title: "Exchange: accepts the token", needs: []string{"challenge", "token"}, gather: gatherAcceptance, judge: judgeAcceptance},
		check{id: "expect", title: "Exchange: large requests", needs: []string{"acceptance"}, gather: gatherExpect, judge: judgeExpect},
		check{id: "mailbox", title: "Exchange: opens a mailbox", needs: []string{"acceptance"}, gather: gatherMailbox, judge: judgeMailbox},
		check{id: "forbidden", title: "Exchange: keeps a mailbox closed", needs: []string{"acceptance"}, gather: gatherForbidden, judge: judgeForbidden},
	)
}

func connectionChecks(c *config.Config) []check {
	needs := []string{"configuration"}
	var all []check
	if c.FromVault() {
		all = append(all, check{id: "vault", title: "Key Vault: connection", needs: needs, gather: gatherVaultConnection, judge: judgeVaultConnection, early: true})
	}
	return append(all,
		check{id: "entra", title: "Entra ID: connection", needs: needs, gather: gatherEntraConnection, judge: judgeEntraConnection, early: true},
		check{id: "exchange", title: "Exchange: connection", needs: needs, gather: gatherExchangeConnection, judge: judgeExchangeConnection, early: true},
		check{id: "clock", title: "clocks", needs: needs, judge: judgeClocks},
		check{id: "tenant", title: "Entra ID: tenant", needs: []string{"entra"}, judge: judgeTenant},
	)
}

func certificateChecks(c *config.Config) []check {
	if c.Federated() {
		return []check{credentialCheck}
	}
	if !c.FromVault() {
		return []check{{id: "certificate", title: "certificate", needs: []string{"configuration"}, gather: gatherCertificateFile, judge: judgeCertificate}}
	}
	all := []check{
		{id: "vault-login", title: "Key Vault: sign-in", needs: []string{"vault", "entra"}, gather: gatherCertificates, judge: judgeVaultLogin},
		{id: "vault-secret", title: "Key Vault: permission", needs: []string{"vault-login"}, judge: judgeVaultSecret},
		{id: "certificate", title: "certificate", needs: []string{"vault-secret"}, judge: judgeCertificate},
	}
	if signsInVault(c) {
		all = append(all, check{id: "vault-sign", title: "Key Vault: signing", needs: []string{"certificate"}, gather: gatherSignature, judge: judgeSignature})
	}
	return all
}

func signsInVault(c *config.Config) bool { return c.FromVault() && c.KeyMode == config.KeyVault }

// A walk runs checks in order.
type walk struct {
	session *session
	facts   *facts
	done    map[string]Result
	early   map[string]chan struct{} // closed when the check's facts are gathered
}

// beginEarly starts gathering the facts of connections concurrently, so that a
// network that drops packets costs one timeout instead of three.
func (w *walk) beginEarly(ctx context.Context, checks []check) {
	for _, c := range checks {
		if !c.early {
			continue
		}
		gathered := make(chan struct{})
		w.early[c.id] = gathered
		go func() {
			defer close(gathered)
			c.gather(ctx, w.session, w.facts)
		}()
	}
}

// run makes a check, or reports why it cannot be made.
func (w *walk) run(ctx context.Context, c check) Result {
	if r, missing := w.missing(c.needs); missing {
		return r
	}
	if ctx.Err() != nil {
		return skipped("the time set by -timeout was over, or the run was interrupted")
	}
	switch gathered := w.early[c.id]; {
	case gathered != nil:
		<-gathered
	case c.gather != nil:
		c.gather(ctx, w.session, w.facts)
	}
	r := c.judge(w.facts)
	if ctx.Err() != nil && r.Status == Failed {
		return skipped("it had not ended when the time set by -timeout was over, or the run was interrupted")
	}
	return r
}

// missing returns the Result of a check with a prerequisite that does not hold.
func (w *walk) missing(needs []string) (Result, bool) {
	for _, need := range needs {
		switch r := w.done[need]; {
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
