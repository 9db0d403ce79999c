package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/report"
	"hmaproxy/internal/requestlog"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
)

func topOption() option {
	return option{"top", "N", fmt.Sprintf("rows of each table of the text; 0 shows all, %d is the default", defaultTop), completeNothing, func(o *options) flag.Value { return &o.top }}
}

func reportCommand() command {
	flagOf := func(name, usage string, to func(*options) *bool) option {
		return option{name, "", usage, completeNothing, func(o *options) flag.Value { return (*boolValue)(to(o)) }}
	}
	return command{
		name:     "report",
		summary:  "say who used which mailboxes, from logs; suggest an allow-list",
		synopsis: []string{"report [-json | -csv | -html] [-graph] [-top N] FILE...", "report -suggest [-json | -html] FILE..."},
		about: `Reads the request lines of hmaproxy's log and says which clients used which mailboxes and
operations, how the requests ended, how many bytes they had and how long they took. It needs no
running hmaproxy and no settings, and changes nothing.

FILE is a log in JSON (HMA_LOG_FORMAT=json; the default, except on a terminal), compressed by gzip
or not; - stands for standard input. Rotated files may be given in any order,
and parts of a log twice: a request counts once. Lines are read as they are, and as docker's
json-file, docker compose, CRI (containerd, CRI-O), kubectl --prefix, syslog and journalctl
(short, -o json) wrap them. Lines that are cut or of another program are counted and not guessed
at. The report says what time the log covers, with the gaps in it: pauses of an hour or more that
are over three times as long as the longest one of a usual day. Where the log left refused
requests out, their number is in the totals.

-suggest writes an allow-list for HMA_ALLOWED_MAILBOXES_FILE instead: the mailboxes that were
opened, with their number of requests as a comment. Further comments name the mailboxes that were
left out, because Exchange does not have them, no request succeeded or the name cannot be an entry.
They also hold a line for HMA_ALLOWED_OPERATIONS and the patterns for each client user. It never
proposes a wildcard, and names operations that are refused by default without adding them. Jobs
that did not run in the time of the log are missing, and unwanted traffic is on the list: read it
before you use it. Then try it: hmaproxy policy test.

-graph adds the counterpart of each operation in Microsoft Graph, by Microsoft's own list, whose
date is shown, and how much of the traffic has one.

Names in a log were chosen by clients. Control characters in them become visible escapes; in CSV a
name that begins like a formula gets an apostrophe in front. At most 100,000 names of mailboxes
and 20,000 operations of clients are kept; requests beyond that are counted, and the report says
INCOMPLETE. A million requests need less than 100 MB.`,
		flags: []option{
			flagOf("json", "write one JSON object, with all rows", func(o *options) *bool { return &o.json }),
			flagOf("csv", "write one table for spreadsheets, with all rows", func(o *options) *bool { return &o.csv }),
			flagOf("html", "write one web page with charts, which needs no other file and no script", func(o *options) *bool { return &o.html }),
			flagOf("suggest", "write an allow-list that lets this traffic pass; with -json or -html add it to the report", func(o *options) *bool { return &o.suggest }),
			flagOf("graph", "add the counterparts in Microsoft Graph", func(o *options) *bool { return &o.graph }),
			topOption(),
		},
		argument: "FILE", maxArgs: anyNumber, files: true,
		exits: []exit{{exitStopped, "the report was written"}, {exitFailed, "a file could not be read, or the report not be written"}},
		examples: []string{
			"hmaproxy report /var/log/hmaproxy/hmaproxy*.log*",
			"hmaproxy report -suggest hmaproxy.log > mailboxes",
			"hmaproxy report -html -suggest -graph hmaproxy.log > report.html",
			"journalctl -u hmaproxy -o cat | hmaproxy report -",
			"kubectl logs mail-0 -c hmaproxy | hmaproxy report -json - | jq '.mailboxes[].name'",
		},
		run: runReport,
	}
}

func runReport(ctx context.Context, inv *invocation) error {
	files, err := reportCommand().parseMixed(&inv.options, inv.args)
	if err != nil {
		return usageError{fmt.Errorf("report: %w; run hmaproxy report -help", err)}
	}
	if err := checkReportFlags(inv, files); err != nil {
		return usageError{fmt.Errorf("report: %w; run hmaproxy report -help", err)}
	}
	counted := traffic.New(traffic.LogLimits())
	facts, err := inv.readLogs(ctx, files, func(r *proxy.Record) { counted.Done(r, outcome.Of(r)) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	made, err := report.New(facts, counted.Summary(), report.Options{
		Version: version(), Files: files, Suggest: inv.suggest, Graph: inv.graph, Location: time.Local, Top: inv.top.rows(),
	})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	write := report.WriteText
	switch {
	case inv.json:
		write = report.WriteJSON
	case inv.csv:
		write = report.WriteCSV
	case inv.html:
		write = report.WriteHTML
	case inv.suggest:
		write = report.WriteSuggestion
	}
	if err := write(inv.out, made); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func checkReportFlags(inv *invocation, files []string) error {
	formats := 0
	for _, set := range []bool{inv.json, inv.csv, inv.html} {
		if set {
			formats++
		}
	}
	switch {
	case len(files) == 0:
		return errors.New("FILE is required; - stands for standard input")
	case formats > 1:
		return errors.New("-json, -csv and -html exclude each other")
	case inv.suggest && inv.csv:
		return errors.New("-suggest and -csv exclude each other")
	case inv.suggest && inv.graph && formats == 0:
		return errors.New("-suggest writes an allow-list, to which -graph adds nothing; leave out one of them, or add -json or -html")
	}
	return nil
}

// readLogs reads logs and calls the function "each" for every request in them.
// It makes the garbage collector run more often than usual, so that a million
// requests need less than 100 MB. That costs little, because most lines leave
// no garbage.
func (inv *invocation) readLogs(ctx context.Context, files []string, each func(*proxy.Record)) (*requestlog.Facts, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	reader, err := requestlog.NewReader(each)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if err := inv.readLog(ctx, reader, name); err != nil {
			return nil, err
		}
	}
	return reader.Facts(), nil
}

func (inv *invocation) readLog(ctx context.Context, reader *requestlog.Reader, name string) error {
	var in io.Reader = inv.in
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	if err := reader.Read(name, interruptible{ctx, in}); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// interruptible is a reader that fails when ctx has ended.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
