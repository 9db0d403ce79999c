package doctor

import (
	"context"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// gatherMailbox opens the inbox of the mailbox that a flag or the configuration
// names. If neither names a mailbox, it sends no request.
func gatherMailbox(ctx context.Context, s *session, f *facts) {
	if mailbox, _ := mailboxToOpen(f); mailbox != "" {
		f.ews.mailbox = getFolder(ctx, s, f, mailbox)
	}
}

func evaluateMailbox(f *facts) Result {
	mailbox, origin := mailboxToOpen(f)
	if mailbox == "" {
		return skipped("no mailbox was named: hmaproxy doctor -mailbox alice@contoso.com")
	}
	r := f.ews.mailbox
	if r.err != nil || r.code == "" && r.status >= 500 {
		return evaluateBackEnd(f, r, mailbox)
	}
	if failure, bad := evaluateEWSFailure(f, r); bad {
		return failure
	}
	detail := mailbox + origin + ": " + r.describe()
	if r.code == "NoError" {
		return ok(detail)
	}
	return explainResponseCode(f, r.code, mailbox, detail)
}

// mailboxToOpen returns the mailbox of the flag -mailbox, else that of
// HMA_DEFAULT_MAILBOX, else the first address of the allow-list, else "". origin
// is a text that says where the mailbox comes from. It is "" for the flag.
func mailboxToOpen(f *facts) (address, origin string) {
	if f.flags.mailbox != "" {
		return f.flags.mailbox, ""
	}
	if m := string(f.config.DefaultMailbox); m != "" {
		return m, " (HMA_DEFAULT_MAILBOX)"
	}
	for _, p := range f.config.AllowedMailboxes {
		if m, err := policy.ParseAddress(p.String()); err == nil {
			return m, " (first of the allow-list)"
		}
	}
	return "", ""
}

// evaluateBackEnd explains why a request for a mailbox got no response, or a
// status of 500 or more, although Exchange's front end has just responded to a
// request without a mailbox.
func evaluateBackEnd(f *facts, r ewsResponse, mailbox string) Result {
	detail := "no response to a request for " + mailbox + " (" + networkReason(r.err) + ")"
	if r.err == nil {
		detail = mailbox + ": " + r.describe()
	}
	return f.fail(detail, "Exchange's front end works (it accepted the token without a mailbox), and the server that holds this mailbox does not: its database, its application pool or the way there is down",
		"on Exchange: Get-MailboxDatabaseCopyStatus; Get-ServerComponentState SERVER; Test-ServiceHealth", "try -mailbox with one in another database; look into Logging\\HttpProxy\\Ews on the server")
}

// gatherForbidden asks Exchange for the mailbox that clients must not open. The
// request does not pass hmaproxy's allow-list.
func gatherForbidden(ctx context.Context, s *session, f *facts) {
	if f.flags.forbidden != "" {
		f.ews.forbidden = getFolder(ctx, s, f, f.flags.forbidden)
	}
}

// evaluateForbidden compares Exchange's response with the allow-list.
func evaluateForbidden(f *facts) Result {
	mailbox := f.flags.forbidden
	if mailbox == "" {
		return skipped("no mailbox was named: hmaproxy doctor -forbidden-mailbox ceo@contoso.com")
	}
	r := f.ews.forbidden
	if failure, bad := evaluateEWSFailure(f, r); bad {
		return failure
	}
	listed, why := listAllows(f, mailbox)
	detail := mailbox + ": " + r.describe()
	switch {
	case strings.HasSuffix(r.code, "Denied"):
		result := ok(detail + "; Exchange itself refuses it")
		if listed {
			result.Notes = append(result.Notes, why+": only Exchange keeps this mailbox closed")
		}
		return result
	case r.code != "NoError":
		result := explainResponseCode(f, r.code, mailbox, detail)
		result.Cause = "this says nothing about permissions: " + result.Cause
		result.Repair = append([]string{"name a mailbox that exists"}, result.Repair...)
		return result
	case listed:
		return f.fail(detail+"; Exchange opens it", why+": clients of hmaproxy can read this mailbox",
			"set HMA_ALLOWED_MAILBOXES (or HMA_ALLOWED_MAILBOXES_FILE) to the mailboxes that are meant; deploy/azure/Export-AllowList.ps1 writes them")
	}
	return ok(detail+"; hmaproxy's allow-list refuses it",
		"Exchange itself opens it to the application: the allow-list and the loopback listener are the only protection of this mailbox")
}

// listAllows reports whether the allow-list lets a request for a mailbox pass, and why.
func listAllows(f *facts, mailbox string) (allowed bool, why string) {
	p, err := newPolicy(f.config, f.groupMembers())
	switch {
	case err != nil || !p.Limited():
		return true, "no allow-list is set"
	case f.config.ListMode == config.Audit:
		return true, "HMA_ALLOW_LIST_MODE=audit refuses nothing"
	case p.Allows(mailbox):
		return true, "the allow-list contains it"
	}
	return false, ""
}
