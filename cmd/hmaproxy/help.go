package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"hmaproxy/internal/config"
	"hmaproxy/internal/textwrap"
)

const overview = `hmaproxy - a local auth proxy for legacy Exchange Web Services clients

Software that speaks EWS but no modern authentication sends its requests, without credentials,
to http://localhost:8080/EWS/Exchange.asmx. hmaproxy attaches a Hybrid Modern Authentication token,
checks the mailbox against an allow-list, and forwards the request to Exchange.

usage: hmaproxy [command] [flags]

commands:
`

const afterCommands = `
"hmaproxy help COMMAND" explains a command, "hmaproxy help settings" lists all settings. Settings
are environment variables, or lines of a file: hmaproxy -env-file FILE.

exit status:
`

// runHelp prints the overview, or the help of the named topic.
func runHelp(_ context.Context, inv *invocation) error {
	if len(inv.args) == 0 {
		_, err := inv.out.Write(overviewHelp())
		return err
	}
	if topic := inv.args[0]; topic == "settings" || topic == "setting" {
		return config.Usage(inv.out)
	}
	c, err := find(inv.args[0])
	if err == nil {
		_, err = inv.out.Write(c.help())
	}
	return err
}

// overviewHelp returns what "hmaproxy -h" prints. It fits on one screen.
func overviewHelp() []byte {
	var b bytes.Buffer
	b.WriteString(overview)
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.summary)
	}
	table.Flush()
	b.WriteString(afterCommands)
	writeExits(&b, []exit{{exitStopped, "stopped, or done"}, {exitFailed, "failed while running"}, badSettings})
	return b.Bytes()
}

// help returns what "hmaproxy help NAME" prints.
func (c command) help() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "hmaproxy %s - %s\n\n", c.name, c.summary)
	for i, synopsis := range c.synopsis {
		fmt.Fprintf(&b, "%s hmaproxy %s\n", []string{"usage:", "      "}[min(i, 1)], synopsis)
	}
	fmt.Fprintf(&b, "\n%s\n", c.about)
	if len(c.flags) > 0 {
		b.WriteString("\nflags:\n")
	}
	for _, f := range c.flags {
		fmt.Fprintf(&b, "  -%s\n", strings.TrimSpace(f.name+" "+f.value))
		b.WriteString(textwrap.Fill(f.usage, "        ", "        "))
	}
	b.WriteString("\nexit status:\n")
	writeExits(&b, c.exits)
	if len(c.examples) > 0 {
		b.WriteString("\nexamples:\n")
	}
	for _, example := range c.examples {
		fmt.Fprintf(&b, "  %s\n", example)
	}
	return b.Bytes()
}

// allExits returns exits and the exit status that every command has, ordered by
// status.
func allExits(exits []exit) []exit {
	all := append(slices.Clone(exits), exit{exitUsage, "a mistake on the command line"})
	slices.SortFunc(all, func(a, b exit) int { return cmp.Compare(a.status, b.status) })
	return all
}

func writeExits(b *bytes.Buffer, exits []exit) {
	for _, e := range allExits(exits) {
		fmt.Fprintf(b, "  %-3d %s\n", e.status, e.means)
	}
}
