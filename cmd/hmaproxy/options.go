package main

import (
	"errors"
	"flag"
	"io"
	"strconv"
	"time"
)

// options are the values of all flags of all commands, so that a flag means the
// same everywhere.
type options struct {
	envFile string
	timeout time.Duration

	mailbox, forbidden string // of doctor
	json, verbose      bool

	user           string // of hash-password
	cost           int
	mailboxes      string
	wholeAllowList bool

	output string // of init
}

// An option declares a flag of a command.
type option struct {
	name  string // without the hyphen
	value string // what the help calls its value; "" for a flag without one
	usage string // one sentence without a full stop
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

// A boolValue is the value of a flag that is there or not.
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
