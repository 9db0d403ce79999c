package main

import (
	"context"
	"flag"
	"fmt"
	"math"

	"hmaproxy/internal/config"
)

//go:generate go test -run ^TestGenerated$ -update .

// A command is one of hmaproxy's commands. The help, the man page and the
// completions for shells are made from this table.
type command struct {
	name     string
	summary  string   // one line without a full stop
	synopsis []string // command lines, each without "hmaproxy "
	about    string   // description in paragraphs
	flags    []option
	argument string   // name of the argument in the help; "" if the command has no argument
	choices  []string // possible arguments; nil: any
	maxArgs  int
	files    bool   // whether further arguments are files, for shells to complete
	exits    []exit // exit statuses in addition to exitUsage, which every command has
	examples []string
	run      func(context.Context, *invocation) error
}

// anyNumber is the maxArgs of commands that check their arguments themselves.
const anyNumber = math.MaxInt

// An exit says what an exit status of a command means.
type exit struct {
	status int
	means  string
}

var badSettings = exit{exitSettings, "a mistake in the settings; all of them are named"}

func envFileOption() option {
	return option{"env-file", "FILE", "read settings from FILE, one NAME=value a line; a variable of the environment wins over it",
		completeFile, func(o *options) flag.Value { return (*onceValue)(&o.envFile) }}
}

func timeoutOption(usage string) option {
	return option{"timeout", "DURATION", usage, completeNothing, func(o *options) flag.Value { return (*durationValue)(&o.timeout) }}
}

// commands returns all commands, in the order of the help.
func commands() []command {
	return []command{
		{
			name:     "serve",
			summary:  "serve EWS clients (the default command)",
			synopsis: []string{"[serve] [-env-file FILE]"},
			about: `Serves EWS clients until SIGTERM or SIGINT. Requests under way may then finish; a second signal
ends the process immediately, with exit status 1. After SIGHUP it checks immediately what it
otherwise rereads at intervals: allow-list, client users, TLS certificate, the certificate in Key
Vault and the secret that opens it. Other settings need a restart.

An outage of Key Vault, Entra ID or Exchange never ends the process: it retries, and is not
ready until it has a token.

Clients connect to HMA_LISTEN, by default http://localhost:8080/EWS/Exchange.asmx. HMA_ADMIN_LISTEN,
by default 127.0.0.1:8081, serves a status page for people at /, the same for programs at
/status.json, and /startup, /ready, /live and /metrics. The log goes to standard error, or to
HMA_LOG_FILE. "hmaproxy help settings" lists all settings.`,
			flags: []option{envFileOption()},
			exits: []exit{{exitStopped, "stopped by a signal"}, {exitFailed, "failed while running, or could not listen"}, badSettings},
			examples: []string{
				"hmaproxy -env-file hmaproxy.env",
				"HMA_LOG_LEVEL=debug hmaproxy -env-file hmaproxy.env    # the environment wins",
			},
			run: runServe,
		},
		initCommand(),
		doctorCommand(),
		{
			name:     "health",
			summary:  "ask a running hmaproxy for its health",
			synopsis: []string{"health [-env-file FILE] [startup|ready|live]"},
			about: `Asks the hmaproxy that runs with the same HMA_ADMIN_LISTEN, and prints its response. Without
an argument it asks whether hmaproxy is ready.

  startup   the settings are read and the listeners open
  ready     there is a usable token, and hmaproxy is not stopping
  live      the process responds

Of the settings it reads HMA_ADMIN_LISTEN alone.`,
			flags:    []option{envFileOption()},
			argument: "PROBE", choices: []string{"startup", "ready", "live"}, maxArgs: 1,
			exits:    []exit{{exitStopped, "yes"}, {exitFailed, "no, or no response within 5 seconds"}, {exitSettings, "a mistake in HMA_ADMIN_LISTEN"}},
			examples: []string{`HEALTHCHECK CMD ["/hmaproxy", "health", "live"]    # in an image without a shell`},
			run:      runHealth,
		},
		{
			name:     "wait",
			summary:  "block until a running hmaproxy is ready",
			synopsis: []string{"wait [-env-file FILE] [-timeout DURATION]"},
			about: `Blocks until the hmaproxy that runs with the same HMA_ADMIN_LISTEN is ready. For scripts that
start a client after the proxy. Of the settings it needs HMA_ADMIN_LISTEN alone. Where no hmaproxy
responds and another setting has a value with which hmaproxy does not start, it ends at once and
names the setting.`,
			flags:    []option{envFileOption(), timeoutOption("give up after DURATION; 0, the default, sets no limit")},
			exits:    []exit{{exitStopped, "it is ready"}, {exitFailed, "it was not ready in time; standard error says why"}, {exitSettings, "a mistake in HMA_ADMIN_LISTEN; or in another setting, and no hmaproxy responds"}},
			examples: []string{"hmaproxy wait -env-file hmaproxy.env -timeout 1m && start-the-sync"},
			run:      runWait,
		},
		{
			name:     "hash-password",
			summary:  "make a line for HMA_CLIENT_USERS_FILE",
			synopsis: []string{"hash-password -name NAME -mailboxes PATTERNS [-cost COST]", "hash-password -name NAME -whole-allow-list [-cost COST]"},
			about: `Makes a line for HMA_CLIENT_USERS_FILE: a client user with the hash of its password and the
mailboxes that it may open. It reads the password from the terminal without showing it, or one
line of standard input when that is not a terminal.

The patterns narrow HMA_ALLOWED_MAILBOXES for this user. A user without patterns may open
everything that HMA_ALLOWED_MAILBOXES allows, and every mailbox of the organisation where that is
not set; -whole-allow-list says that this is meant.

A long random password is worth more than a high cost: each step of the cost doubles the time
that a client waits for its first response.`,
			flags: []option{
				{"name", "NAME", "name of the client user; required", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.user) }},
				{"mailboxes", "PATTERNS", "mailboxes that the user may open, separated by commas or blanks", completeNothing, func(o *options) flag.Value { return (*stringValue)(&o.mailboxes) }},
				{"whole-allow-list", "", "let the user open everything that the allow-list allows", completeNothing, func(o *options) flag.Value { return (*boolValue)(&o.wholeAllowList) }},
				{"cost", "COST", fmt.Sprintf("cost of bcrypt, %d to %d; %d by default", config.MinCost, config.MaxCost, defaultCost), completeNothing, func(o *options) flag.Value {
					o.cost = defaultCost
					return (*intValue)(&o.cost)
				}},
			},
			maxArgs:  anyNumber, // runHashPassword checks the arguments itself, because the error must not print a password
			exits:    []exit{{exitStopped, "the line was printed"}, {exitFailed, "the password could not be read or used"}},
			examples: []string{"hmaproxy hash-password -name crm -mailboxes 'alice@contoso.com *@sales.contoso.com' >> users"},
			run:      runHashPassword,
		},
		reportCommand(),
		policyCommand(),
		tlsSetupCommand(),
		serviceCommand(),
		{
			name:     "version",
			summary:  "print the version",
			synopsis: []string{"version"},
			about: `Prints the version, the revision it was built from, the version of Go, the platform, and the
version and mode (off, on, only) of the FIPS 140-3 module.`,
			exits: []exit{{exitStopped, "always"}},
			run:   runVersion,
		},
		{
			name:     "help",
			summary:  "explain a command, or list all settings",
			synopsis: []string{"help [COMMAND]", "help settings"},
			about:    `Explains a command, or lists all settings with what they mean.`,
			argument: "TOPIC", choices: topics(), maxArgs: 1,
			exits: []exit{{exitStopped, "always"}},
			run:   runHelp,
		},
	}
}

// topics returns the topics of "hmaproxy help".
func topics() []string {
	return []string{"settings", "serve", "init", "doctor", "health", "wait", "hash-password", "report", "policy", "tls-setup", "service", "version"}
}
