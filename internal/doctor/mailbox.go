package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// checkAcceptance shows Exchange the token, without naming a mailbox.
func (x *examination) checkAcceptance(ctx context.Context) Result {
	a := x.ask(ctx, "")
	if r, bad := x.refused(a); bad {
		return r
	}
	if a.code != "ErrorInvalidExchangeImpersonationHeaderData" {
		return ok(a.describe() + ": the token was accepted")
	}
	return ok(a.describe() + ": the token was accepted, and the missing mailbox noticed")
}

// refused judges what is not an answer of EWS itself.
func (x *examination) refused(a answer) (Result, bool) {
	if a.err != nil {
		return failed("no answer to a request with a token ("+networkReason(a.err)+")", "Exchange, or a device in front of it, drops requests with a token or a body",
			"try again; look into Logging\\HttpProxy\\Ews on the server"), true
	}
	detail := a.describe()
	switch {
	case a.code != "":
		return Result{}, false
	case a.status == http.StatusUnauthorized:
		return x.explainRefusal(a, detail), true
	case a.status == http.StatusNotFound:
		return x.wrongPath(detail), true
	case a.status == http.StatusForbidden:
		return x.forbiddenAtAll(detail, a.header), true
	case a.status >= 300 && a.status < 400, a.status == 451:
		return x.redirected(detail, a.header), true
	case a.status == http.StatusTooManyRequests:
		return throttled(detail), true
	case a.status >= 400 && a.status < 500:
		return failed(detail, "a device in front of Exchange does not take EWS requests, or the token's header is too large for it (4 to 8 KiB are needed)", "have the device permit POST of /EWS/Exchange.asmx with headers of 16 KiB"), true
	case a.status >= 500:
		return x.broken(detail, a.status), true
	}
	return failed(detail, "what answered is not EWS: a page of a device in front of Exchange, or of another server", "have the device pass /EWS/* through", compareURLs), true
}

// explainRefusal reads x-ms-diagnostics.
func (x *examination) explainRefusal(a answer, detail string) Result {
	d := proxy.Diagnose(a.header)
	if d.Code != 0 {
		detail += fmt.Sprintf("; x-ms-diagnostics %d %s: %s", d.Code, d.Category, quote(d.Reason))
	}
	if before, now := x.probes["exchange"].header, a.header; bearerChallenge(before) != nil && bearerChallenge(now) == nil && differ(before, now) {
		return failed(detail, fmt.Sprintf("the server %s offers no bearer authentication and is not set up as %s, which offered it a moment ago: OAuth is off on its EWS virtual directory",
			printable(now.Get("X-Feserver"), 40), printable(before.Get("X-Feserver"), 40)), "on Exchange: Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication     # the same on all servers behind the load balancer")
	}
	cause := d.Meaning
	if d.Code == 2000002 {
		if c, known := readClock(a.header); known && c.skew().Abs() > remarkable {
			cause += ": this machine's clock is " + aheadOrBehind(c.skew()) + " Exchange's"
		}
	}
	if other, repair := x.otherHost(d.Reason); d.Code == 2000003 && other != "" {
		return failed(detail, other, repair...)
	}
	return failed(detail, cause, d.Remedy)
}

// differ reports whether two servers of Exchange gave two answers.
func differ(one, other http.Header) bool {
	a, b := one.Get("X-Feserver"), other.Get("X-Feserver")
	return a != "" && b != "" && !strings.EqualFold(a, b)
}

// checkMailbox opens a mailbox's inbox.
func (x *examination) checkMailbox(ctx context.Context) Result {
	mailbox, whose := x.mailbox()
	if mailbox == "" {
		return skipped("no mailbox was named: hmaproxy doctor -mailbox alice@contoso.com")
	}
	a := x.ask(ctx, mailbox)
	if a.err != nil || a.code == "" && a.status >= 500 {
		return x.backEnd(a, mailbox)
	}
	if r, bad := x.refused(a); bad {
		return r
	}
	detail := mailbox + whose + ": " + a.describe()
	if a.code == "NoError" {
		return ok(detail)
	}
	cause, repair := explainEWS(a.code, mailbox)
	return failed(detail, cause, repair...)
}

// mailbox is the one to open: the one asked for, else one that the
// configuration names.
func (x *examination) mailbox() (address, whose string) {
	if x.o.Mailbox != "" {
		return x.o.Mailbox, ""
	}
	if m := string(x.config.DefaultMailbox); m != "" {
		return m, " (HMA_DEFAULT_MAILBOX)"
	}
	for _, p := range x.config.AllowedMailboxes {
		if m, err := policy.ParseAddress(p.String()); err == nil {
			return m, " (first of the allow-list)"
		}
	}
	return "", ""
}

// checkForbidden asks Exchange itself for a mailbox that is to stay closed,
// past hmaproxy's allow-list, and then asks that.
func (x *examination) checkForbidden(ctx context.Context) Result {
	mailbox := x.o.Forbidden
	if mailbox == "" {
		return skipped("no mailbox was named: hmaproxy doctor -forbidden-mailbox ceo@contoso.com")
	}
	a := x.ask(ctx, mailbox)
	if r, bad := x.refused(a); bad {
		return r
	}
	listed, why := x.listAllows(mailbox)
	detail := mailbox + ": " + a.describe()
	switch {
	case strings.HasSuffix(a.code, "Denied"):
		return x.closedByExchange(detail, listed, why)
	case a.code != "NoError":
		cause, repair := explainEWS(a.code, mailbox)
		return failed(detail, "this says nothing about permissions: "+cause, append([]string{"name a mailbox that exists"}, repair...)...)
	case listed:
		return failed(detail+"; Exchange opens it", why+": clients of hmaproxy can read this mailbox",
			"set HMA_ALLOWED_MAILBOXES (or HMA_ALLOWED_MAILBOXES_FILE) to the mailboxes that are meant; deploy/azure/Export-AllowList.ps1 writes them")
	}
	return ok(detail+"; hmaproxy's allow-list refuses it",
		"Exchange itself opens it to the application: the allow-list and the loopback listener are the only protection of this mailbox")
}

func (x *examination) closedByExchange(detail string, listed bool, why string) Result {
	r := ok(detail + "; Exchange itself refuses it")
	if listed {
		r.Notes = append(r.Notes, why+": only Exchange keeps this mailbox closed")
	}
	return r
}

// listAllows asks the allow-list, and says why it would let a request pass.
func (x *examination) listAllows(mailbox string) (bool, string) {
	p, err := x.policy()
	switch {
	case err != nil || !p.Limited():
		return true, "no allow-list is set"
	case x.config.ListMode == config.Audit:
		return true, "HMA_ALLOW_LIST_MODE=audit refuses nothing"
	case p.Allows(mailbox):
		return true, "the allow-list contains it"
	}
	return false, ""
}
