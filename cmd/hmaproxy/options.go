package main

import (
	"errors"
	"flag"
	"io"
	"strconv"
	"time"
)

// options holds the values of all flags of all commands, so that a flag has the
// same meaning everywhere.
type options struct {
	envFile string
	timeout time.Duration

	mailbox, forbidden string // flags of doctor; json is also a flag of report and policy
	autodiscover       string
	json, verbose      bool

	user           string // flags of hash-password
	cost           int
	mailboxes      string
	wholeAllowList bool

	output string // flag of init

	csv, html, suggest, graph bool     // flags of report
	top                       rowLimit // flag of report and policy test
	list, operation, client   string   // flags of policy

	dir  string // flags of tls-setup
	days int
}

// An option declares a flag of a command.
type option struct {
	name  string // without the hyphen
	value string // name of the flag's value in the help; "" for a flag without a value
	usage string // description, one sentence without a full stop
	kind  completion
	bind  func(*options) flag.Value
}

// A completion says what shells complete after a flag or a command.
type completion int

const (
	completeNothing completion = iota
	completeFile
)

// A stringValue is the value of a flag that takes any text.
type stringValue string

func (s *stringValue) Set(text string) error { *s = stringValue(text); return nil }
func (s *stringValue) String() string        { return string(*s) }

// A onceValue is a stringValue for a flag that may be given only once. If
// -env-file were given twice, the first file, and an allow-list in it, would
// have no effect.
type onceValue string

func (v *onceValue) Set(text string) error {
	if *v != "" {
		return errors.New("the flag is given twice; expected it once")
	}
	*v = onceValue(text)
	return nil
}
func (v *onceValue) String() string { return string(*v) }

// A boolValue is the value of a flag that is either present or not.
type boolValue bool

func (b *boolValue) Set(text string) (err error) {
	parsed, err := strconv.ParseBool(text)
	*b = boolValue(parsed)
	return err
}
func (b *boolValue) String() string   { return strconv.FormatBool(bool(*b)) }
func (b *boolValue) IsBoolFlag() bool { return true }

// An intValue is the value of a flag that takes a number.
type intValue int

func (i *intValue) Set(text string) error {
	parsed, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("expected a number")
	}
	*i = intValue(parsed)
	return nil
}
func (i *intValue) String() string { return strconv.Itoa(int(*i)) }

// A rowLimit is the value of a flag that limits the rows of a table. On the
// command line, 0 means no limit. The zero value of the type means defaultTop.
type rowLimit int

const (
	defaultTop          = 20
	unlimited  rowLimit = -1
)

func (l *rowLimit) Set(text string) error {
	parsed, err := strconv.Atoi(text)
	if err != nil || parsed < 0 {
		return errors.New("expected a number of rows, or 0 for all")
	}
	if *l = rowLimit(parsed); parsed == 0 {
		*l = unlimited
	}
	return nil
}
func (l *rowLimit) String() string { return strconv.Itoa(l.rows()) }

// rows returns the maximum number of rows, 0 for all.
func (l rowLimit) rows() int {
	switch l {
	case 0:
		return defaultTop
	case unlimited:
		return 0
	}
	return int(l)
}

// A durationValue is the value of a flag that takes a duration, which cannot be
// negative.
type durationValue time.Duration

func (d *durationValue) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return errors.New("expected a duration such as 30s")
	}
	*d = durationValue(parsed)
	return nil
}
func (d *durationValue) String() string { return time.Duration(*d).String() }

// parseMixed is like parse, for commands whose flags may follow arguments. It
// returns the arguments.
func (c command) parseMixed(o *options, args []string) ([]string, error) {
	var arguments []string
	for len(args) > 0 {
		rest, err := c.parse(o, args)
		if err != nil {
			return nil, err
		}
		if len(rest) == 0 {
			break
		}
		arguments, args = append(arguments, rest[0]), rest[1:]
	}
	return arguments, nil
}

// parse reads the flags of a command into o and returns the arguments that
// follow them. It returns flag.ErrHelp for -h and -help.
func (c command) parse(o *options, args []string) ([]string, error) {
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range c.flags {
		set.Var(f.bind(o), f.name, f.usage)
	}
	err := set.Parse(args)
	return set.Args(), err
}
