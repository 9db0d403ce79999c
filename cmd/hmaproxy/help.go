package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"hmaproxy/internal/config"
)

const overview = `hmaproxy - a local auth proxy for legacy Exchange Web Services clients

usage: hmaproxy [command] [-env-file FILE] [arguments]

Software that speaks EWS but no modern authentication sends its requests, without
credentials, to http://localhost:8080/EWS/Exchange.asmx. hmaproxy gets a Hybrid
Modern Authentication token with a certificate from Azure Key Vault, attaches it,
checks the mailbox against an allow-list, and forwards to Exchange.

commands:
`

const afterwards = `
"hmaproxy help COMMAND" tells more of a command.

exit status: 0 stopped, 1 failed while running, 2 mistake in the configuration or
on the command line.

settings (environment variables, or lines of -env-file):

`

func isHelp(arg string) bool {
	return arg == "-h" || arg == "-help" || arg == "--help"
}

// help prints the overview, or the help of the command that is named.
func help(args []string, w world) error {
	if len(args) > 0 && !isHelp(args[0]) {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.execute(context.Background(), []string{"-help"}, w)
			}
		}
		return usageError{fmt.Errorf("unknown command %q; run hmaproxy -help", args[0])}
	}
	fmt.Fprint(w.stdout, overview)
	table := tabwriter.NewWriter(w.stdout, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.summary)
	}
	table.Flush()
	fmt.Fprint(w.stdout, afterwards)
	config.Usage(w.stdout)
	return nil
}

func (c command) printHelp(f *flags, w io.Writer) {
	fmt.Fprintf(w, "hmaproxy %s - %s\n\n%s\n", c.name, c.summary, c.help)
	flags := 0
	if f.set.VisitAll(func(*flag.Flag) { flags++ }); flags == 0 {
		return
	}
	fmt.Fprint(w, "\nflags:\n")
	f.set.SetOutput(w)
	f.set.PrintDefaults()
	f.set.SetOutput(io.Discard)
}

const versionHelp = `usage: hmaproxy version

Prints the version, the revision it was built from, Go's version and the platform.

exit status: 0, or 2 for a mistake on the command line.`

func printVersion(_ context.Context, _ *flags, w world) error {
	_, err := fmt.Fprintf(w.stdout, "hmaproxy %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// stamp is set by the linker: -ldflags "-X main.stamp=v1.2.3".
var stamp string

// version is the release, or what the build knows of itself.
func version() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}
