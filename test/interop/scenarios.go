package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/emulator"
)

const (
	alice = "alice@contoso.com"
	bob   = "bob@contoso.com"

	// The credentials of clients. They must not reach Exchange.
	username = "legacy@contoso.com"
	password = "Interop-Passw0rd"
)

// A scenario is a client with its task and the product's settings.
type scenario struct {
	name      string
	client    func(context.Context, *environment) (output string, err error)
	settings  []string                 // settings of the product, in addition to those for the services
	before    func(*emulator.Emulator) // configures the services before the product starts
	own       []string                 // reasons of the product's own responses that are allowed
	replays   bool                     // a 401 of Exchange is allowed, after which the product replays the request
	broken    bool                     // other failures of Exchange are allowed
	most      int                      // if not 0, the largest number of requests that the product may refuse or fail
	slow      bool                     // takes a minute or more and runs only with -slow
	lacks     string                   // a missing requirement because of which the scenario cannot run; "" if none
	cold      bool                     // Entra is down, so the product has no token at its start
	gzip      bool                     // Exchange compresses responses
	device    string                   // device in front of Exchange, a name of package device; "" for none
	finds     bool                     // the client has no URL and looks for Exchange itself
	mailboxes []string                 // mailboxes that operations may impersonate; nil means alice
}

// The method "but" returns a copy of the scenario, after change has changed it.
func (s scenario) but(change func(*scenario)) scenario {
	change(&s)
	return s
}

// The constant "listed" is the allow-list of most scenarios.
const listed = "HMA_ALLOWED_MAILBOXES=" + alice

// The setting targets makes the policy check the mailboxes that a request's Body
// names.
const targets = "HMA_ALLOW_LIST_SCOPE=targets"

// strictIDs returns the scenario with settings that require every id to belong to
// Alice's mailbox. The client must not notice these settings.
func strictIDs(s scenario) scenario {
	s.name += ", strict ids"
	settings := []string{targets, "HMA_ALLOW_LIST_IDS=strict"}
	for _, setting := range s.settings {
		if strings.HasPrefix(setting, "HMA_ALLOWED_MAILBOXES=") {
			setting += ",guid:$GUID"
		}
		settings = append(settings, setting)
	}
	s.settings = settings
	return s
}

func scenarios() []scenario {
	var list []scenario
	list = append(list, exchangelib()...)
	list = append(list, ewsjs()...)
	list = append(list, described()...)
	list = append(list, curl()...)
	list = append(list, davmail()...)
	list = append(list, stacks()...)
	list = append(list, toolkits()...)
	list = append(list, thunderbird()...)
	list = append(list, evolution()...)
	list = append(list, akonadi()...)
	list = append(list, autodiscover()...)
	return list
}

// program returns a function that runs a client's program. The program reports
// a failure by an exit code other than 0 and its last line of output.
func program(args ...string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		args := append([]string(nil), args...)
		args[1] = filepath.Join(w.tools.programs, args[1])
		return execute(ctx, w, args)
	}
}

func execute(ctx context.Context, w *environment, args []string) (string, error) {
	name := args[0]
	if w.finding != nil {
		args = w.finding.command(args)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = w.environment(), w.dir
	cmd.WaitDelay = time.Minute // wait for processes that a client leaves running
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if ctx.Err() != nil {
		err = fmt.Errorf("timed out: %s", lastLine(text))
	} else if err != nil {
		err = fmt.Errorf("%s: %s", filepath.Base(name), lastLine(text))
	}
	return text, err
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// serverBusy returns the response with which Exchange throttles a client, in the
// layout of captured faults.
func serverBusy(milliseconds int) emulator.Fault {
	return emulator.Fault{Status: http.StatusInternalServerError, Header: http.Header{"Content-Type": {"text/xml; charset=utf-8"}},
		Body: `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
			`<faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:ErrorServerBusy</faultcode>` +
			`<faultstring xml:lang="en-US">The server cannot service this request right now. Try again later.</faultstring><detail>` +
			`<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ErrorServerBusy</e:ResponseCode>` +
			`<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">The server cannot service this request right now. Try again later.</e:Message>` +
			`<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:Value Name="BackOffMilliseconds">` + strconv.Itoa(milliseconds) +
			`</t:Value></t:MessageXml></detail></s:Fault></s:Body></s:Envelope>`}
}
