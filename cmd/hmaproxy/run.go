package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/internal/process"
	"hmaproxy/internal/sdnotify"
	"hmaproxy/internal/sidecar"
)

// A world is what a command sees of its process.
type world struct {
	environ        []string
	unset          func(name string) error
	stdin          io.Reader
	stdout, stderr io.Writer

	// reload begins to pass on requests to look at files and certificates again;
	// nil: there are none.
	reload  func(context.Context) <-chan struct{}
	started func()       // called once listeners are open; nil: nobody waits for that
	events  slog.Handler // gets the log beside its place; nil: there is none
}

// lookup returns a variable of the process's own environment, "" without it.
func (w world) lookup(name string) string {
	value := ""
	for _, entry := range w.environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

// A command is one of hmaproxy's.
type command struct {
	name, summary string
	help          string // what it does, in whole paragraphs
	run           func(ctx context.Context, f *flags, w world) error
}

func commands() []command {
	all := []command{
		{"serve", "serve EWS clients (what happens without a command)", serveHelp, serve},
		{"doctor", "find out why it does not work, and what to do", doctorHelp, runDoctor},
		{"health", "ask a running hmaproxy for its health", healthHelp, health},
		{"wait", "block until a running hmaproxy is ready", waitHelp, wait},
		{"hash-password", "make a line for HMA_CLIENT_USERS_FILE", hashHelp, hashPassword},
		{"version", "print the version", versionHelp, printVersion},
	}
	return append(all, platformCommands()...)
}

// run executes the command line args, the program's name left out.
func run(ctx context.Context, args []string, w world) error {
	name, rest := "serve", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	if name == "help" || len(args) > 0 && isHelp(args[0]) {
		return help(rest, w)
	}
	for _, c := range commands() {
		if c.name == name {
			return c.execute(ctx, rest, w)
		}
	}
	return usageError{fmt.Errorf("unknown command %q; run hmaproxy -help", name)}
}

// flags are what the commands take. One set serves all, so that a flag means
// the same everywhere.
type flags struct {
	set     *flag.FlagSet
	envFile string
	timeout timeoutFlag

	mailbox, forbidden string // of doctor
	json               bool

	name string // of a client user, for hash-password
	cost int    // of its hash
}

func (c command) execute(ctx context.Context, args []string, w world) error {
	f := &flags{set: flag.NewFlagSet("hmaproxy "+c.name, flag.ContinueOnError)}
	f.set.SetOutput(io.Discard)
	if c.name != "hash-password" && c.name != "version" { // which have no settings
		f.set.StringVar(&f.envFile, "env-file", "", "`file` with settings, one NAME=value a line as docker run --env-file reads them; the environment wins over it")
	}
	if c.name == "wait" {
		f.set.Var(&f.timeout, "timeout", "give up after this `duration`; 0 waits for ever")
	}
	if c.name == "doctor" {
		f.addDoctorFlags()
	}
	if c.name == "hash-password" {
		f.set.StringVar(&f.name, "name", "", "`name` of the client user; required")
		f.set.IntVar(&f.cost, "cost", defaultCost, fmt.Sprintf("bcrypt's `cost`, %d to %d", config.MinCost, config.MaxCost))
	}
	err := f.set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.printHelp(f, w.stdout)
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%s: %w; run hmaproxy %s -help", c.name, err, c.name)}
	}
	return c.run(ctx, f, w)
}

// environment returns the settings of the environment and of -env-file.
func (f *flags) environment(w world) ([]string, error) {
	if f.envFile == "" {
		return w.environ, nil
	}
	data, err := os.ReadFile(f.envFile)
	if err != nil {
		return nil, usageError{fmt.Errorf("-env-file: %w", err)}
	}
	settings, err := config.ParseEnvFile(data, w.environ)
	if err != nil {
		return nil, usageError{fmt.Errorf("-env-file %s: %w", f.envFile, err)}
	}
	return append(settings, w.environ...), nil
}

// load reads the whole configuration.
func (f *flags) load(w world) (*config.Config, error) {
	environ, err := f.environment(w)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(environ, os.ReadFile)
	if err != nil {
		return nil, usageError{err}
	}
	for _, name := range c.SecretVariables() {
		_ = w.unset(name) // children and crash reports get none of them
	}
	return c, nil
}

const serveHelp = `usage: hmaproxy [serve] [-env-file FILE]

Serves EWS clients until it is told to stop by SIGTERM or SIGINT. Requests under
way may then finish; a second signal ends the process at once, with exit status 1.
SIGHUP makes it look at once at what it reads again by and by: allow-list, client
users, TLS pair, certificate and the secret that opens it. Settings take a restart.

Nothing outside (Key Vault, Entra ID, Exchange) being down ends the process: it
goes on trying, and is not ready meanwhile.

Clients come to HMA_LISTEN, http://localhost:8080/EWS/Exchange.asmx unless set.
HMA_ADMIN_LISTEN, 127.0.0.1:8081 unless set, has a status page for people at /, the
same for programs at /status.json, /startup, /ready, /live, and /metrics. The log goes
to standard error, or to HMA_LOG_FILE. "hmaproxy -help" lists all settings.

exit status: 0 it was told to stop, 1 it failed while running, 2 mistake in the
configuration or on the command line.

examples:

  hmaproxy -env-file hmaproxy.env
  HMA_LOG_LEVEL=debug hmaproxy -env-file hmaproxy.env     # the environment wins`

func serve(ctx context.Context, f *flags, w world) error {
	if f.set.NArg() > 0 {
		return usageError{fmt.Errorf("serve takes no arguments; run hmaproxy serve -help")}
	}
	exposed := process.Harden() // before there are secrets in memory
	process.TuneRuntime()
	go process.ReleaseMemory(ctx)
	c, err := f.load(w)
	if err != nil {
		return err
	}
	out, closeLog, err := sidecar.OpenLog(c, w.stderr)
	if err != nil {
		return usageError{err}
	}
	defer closeLog()
	log, flush := sidecar.NewLogger(out, c)
	defer flush()
	if w.events != nil {
		log = slog.New(slog.NewMultiHandler(log.Handler(), w.events))
	}
	if exposed != nil {
		log.Warn("the system refused to protect this process's memory", slog.String("error", exposed.Error()))
	}
	o := sidecar.Options{Config: c, Log: log, Version: version(), Notify: sdnotify.New(w.lookup("NOTIFY_SOCKET"))}
	if w.reload != nil {
		o.Reload = w.reload(ctx)
	}
	if w.started != nil {
		o.Started = func([]net.Addr, net.Addr) { w.started() }
	}
	err = sidecar.Run(ctx, o)
	if err != nil {
		log.Error("ended", slog.String("error", err.Error()))
	}
	return err
}
