package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/internal/policycheck"
)

func policyCommand() command {
	return command{
		name:    "policy",
		summary: "test an allow-list with logs, or ask about a mailbox",
		synopsis: []string{
			"policy test -env-file FILE [-list LIST] [-json] [-top N] LOG...",
			"policy check [-env-file FILE] [-list LIST] [-operation NAME] [-client USER]\n                [-json] ADDRESS...",
		},
		about: `Asks the allow-list of a configuration, without a running hmaproxy and without any request.
It uses the settings as serve does, so a mistake in them is reported in the same way. -list takes
another allow-list in place of HMA_ALLOWED_MAILBOXES and HMA_ALLOWED_MAILBOXES_FILE.

test decides about every request of a log as enforce mode would, in whatever mode the log was
written, and says what would be refused, by client user, mailbox and operation. LOG is what
hmaproxy report reads. Requests whose decision needs what the log does not hold are reported as
such: the members of HMA_ALLOWED_GROUPS, login names, and with HMA_ALLOW_LIST_SCOPE=targets the
mailboxes and ids in the Body.

check says whether a mailbox would be allowed, and which rule says so: an entry, a wildcard, a
pattern of the client user, or a rule about the operation. ADDRESS is an SMTP address, or a name
as the allow-list has it: upn:alice@contoso.com, sid:S-1-5-21-.... Without -operation the decision
is about the mailbox alone. In audit mode it says what enforce mode would do. A mailbox that only
a member of HMA_ALLOWED_GROUPS may be counts as refused.`,
		flags: []option{
			envFileOption(),
			{"list", "LIST", "use the allow-list of this file", completeFile, func(o *options) flag.Value { return (*stringValue)(&o.list) }},
			{"operation", "NAME", "with check: an EWS operation such as GetItem or Subscribe:Push", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.operation) }},
			{"client", "USER", "with check: a client user of HMA_CLIENT_USERS_FILE", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.client) }},
			{"json", "", "write one JSON object with all rows", completeNothing, func(o *options) flag.Value { return (*boolValue)(&o.json) }},
			topOption(),
		},
		argument: "VERB", choices: []string{"test", "check"}, maxArgs: anyNumber, files: true,
		exits: []exit{
			{exitStopped, "test: nothing would be refused; check: all are allowed"},
			{exitFailed, "test: something would be refused or cannot be decided; check: one is refused"},
			badSettings,
		},
		examples: []string{
			"hmaproxy policy test -env-file hmaproxy.env -list mailboxes.new hmaproxy.log",
			"hmaproxy policy check -env-file hmaproxy.env ceo@contoso.com",
			"hmaproxy policy check -env-file hmaproxy.env alice@contoso.com -operation AddDelegate -client crm",
		},
		run: runPolicy,
	}
}

// errWouldRefuse is the error of the command if a request or a mailbox would be
// refused, or if the command cannot decide. The command has printed the result
// before it returns this error.
var errWouldRefuse = errors.New("policy: not everything is allowed")

func runPolicy(ctx context.Context, inv *invocation) error {
	args, err := policyCommand().parseMixed(&inv.options, inv.args)
	if err != nil {
		return usageError{fmt.Errorf("policy: %w; run hmaproxy policy -help", err)}
	}
	if len(args) == 0 {
		return usageError{errors.New("policy: test or check is required; run hmaproxy policy -help")}
	}
	verb, args := args[0], args[1:]
	run := map[string]func(context.Context, *invocation, []string) error{"test": runPolicyTest, "check": runPolicyCheck}[verb]
	switch {
	case run == nil:
		return usageError{fmt.Errorf("policy: unknown verb %q; expected test or check", verb)}
	case len(args) == 0:
		return usageError{fmt.Errorf("policy %s: %s is required; run hmaproxy policy -help", verb, map[string]string{"test": "LOG", "check": "ADDRESS"}[verb])}
	case verb == "test" && (inv.operation != "" || inv.client != ""):
		return usageError{errors.New("policy test: -operation and -client belong to policy check")}
	}
	return run(ctx, inv, args)
}

// policies returns the policies of the configuration. The file of -list
// replaces the allow-list of the settings.
func policies(inv *invocation) (*policycheck.Policies, error) {
	entries, _, err := inv.settings()
	if err != nil {
		return nil, err
	}
	if inv.list != "" {
		entries = slices.DeleteFunc(slices.Clone(entries), func(entry string) bool {
			name, _, _ := strings.Cut(entry, "=")
			return name == "HMA_ALLOWED_MAILBOXES" || name == "HMA_ALLOWED_MAILBOXES_FILE"
		})
		entries = append(entries, "HMA_ALLOWED_MAILBOXES_FILE="+inv.list)
	}
	c, err := config.Load(entries, config.ReadAtStart)
	if err != nil {
		return nil, settingsError{err}
	}
	p, err := policycheck.New(c)
	if err != nil {
		return nil, settingsError{err}
	}
	return p, nil
}

func runPolicyTest(ctx context.Context, inv *invocation, logs []string) error {
	p, err := policies(inv)
	if err != nil {
		return err
	}
	replay := policycheck.NewReplay(p)
	facts, err := inv.readLogs(ctx, logs, replay.Add)
	if err != nil {
		return fmt.Errorf("policy test: %w", err)
	}
	if inv.json {
		err = replay.WriteJSON(inv.out, facts)
	} else {
		err = replay.WriteText(inv.out, facts, inv.top.rows())
	}
	if err != nil {
		return fmt.Errorf("policy test: %w", err)
	}
	if t := replay.Totals(); t.Refused+t.Undecided > 0 {
		return errWouldRefuse
	}
	return nil
}

func runPolicyCheck(_ context.Context, inv *invocation, addresses []string) error {
	p, err := policies(inv)
	if err != nil {
		return err
	}
	results, refused := make([]policycheck.Result, 0, len(addresses)), false
	for _, address := range addresses {
		r, err := p.Check(address, inv.operation, inv.client)
		if err != nil {
			return usageError{fmt.Errorf("policy check: -client: %w", err)}
		}
		results, refused = append(results, r), refused || !r.Allowed
	}
	if inv.json {
		e := json.NewEncoder(inv.out)
		e.SetIndent("", "  ")
		err = e.Encode(map[string]any{"results": results})
	} else {
		for _, r := range results {
			err = errors.Join(err, r.WriteText(inv.out))
		}
	}
	if err != nil {
		return fmt.Errorf("policy check: %w", err)
	}
	if refused {
		return errWouldRefuse
	}
	return nil
}
