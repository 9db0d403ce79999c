package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"hmaproxy/internal/config"
	"hmaproxy/internal/nearest"
)

// A stdio holds the three standard streams.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// An invocation is one parsed command line with the environment and streams of
// the command.
type invocation struct {
	options
	args    []string // arguments after the flags
	environ []string // environment of the process
	stdio
}

// run executes a command line. args are its words without the program's name,
// and environ is the environment. It returns when the command has ended. The
// command serve ends when ctx ends. The caller prints the error. exitCode
// derives the exit code from the error.
func run(ctx context.Context, args, environ []string, io stdio) error {
	name, rest := "serve", args
	switch {
	case len(args) == 0:
	case args[0] == "-h" || args[0] == "-help" || args[0] == "--help":
		name, rest = "help", args[1:]
	case args[0] == "-V" || args[0] == "-version" || args[0] == "--version":
		name, rest = "version", args[1:]
	case !strings.HasPrefix(args[0], "-"):
		name, rest = args[0], args[1:]
	}
	c, err := find(name)
	if err != nil {
		return err
	}
	inv := &invocation{environ: environ, stdio: io}
	inv.args, err = c.parse(&inv.options, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = io.out.Write(c.help())
		return err
	case err != nil:
		return usageError{fmt.Errorf("%s: %w; run hmaproxy %s -help", c.name, err, c.name)}
	case len(inv.args) > c.maxArgs:
		return usageError{fmt.Errorf("%s: unexpected argument %q; run hmaproxy %s -help", c.name, inv.args[c.maxArgs], c.name)}
	}
	// The commands policy and report parse the flags that follow their
	// arguments. For -h they return flag.ErrHelp.
	if err = c.run(ctx, inv); errors.Is(err, flag.ErrHelp) {
		_, err = io.out.Write(c.help())
	}
	return err
}

// find returns the command with the given name.
func find(name string) (command, error) {
	names := func(yield func(string) bool) {
		for _, c := range commands() {
			if !yield(c.name) {
				return
			}
		}
	}
	for _, c := range commands() {
		if c.name == name {
			return c, nil
		}
	}
	if strings.ContainsAny(name, `./\`) {
		return command{}, usageError{fmt.Errorf("unknown command %q; if it is a file of settings, run hmaproxy -env-file %s", name, name)}
	}
	if closest, distance := nearest.Of(strings.ToLower(name), names); distance <= 1+len(name)/4 {
		return command{}, usageError{fmt.Errorf("unknown command %q; did you mean %q? hmaproxy -h lists the commands", name, closest)}
	}
	return command{}, usageError{fmt.Errorf("unknown command %q; hmaproxy -h lists the commands", name)}
}

// settings returns the settings of the environment and of -env-file as entries
// "NAME=value". If a name occurs more than once, the last entry is valid.
// exposed is true if the file holds a secret and every user of the machine may
// read it.
func (inv *invocation) settings() (entries []string, exposed bool, err error) {
	if inv.envFile == "" {
		return inv.environ, false, nil
	}
	data, err := config.ReadOnce(inv.envFile)
	if err != nil {
		return nil, false, settingsError{fmt.Errorf("-env-file: %w", err)}
	}
	fromFile, err := config.ParseEnvFile(data, inv.environ)
	if err != nil {
		return nil, false, settingsError{fmt.Errorf("-env-file %s: %w", inv.envFile, err)}
	}
	if info, err := os.Stat(inv.envFile); err == nil {
		exposed = config.ExposesSecret(fromFile, info.Mode())
	}
	return append(fromFile, inv.environ...), exposed, nil
}

// load reads the whole configuration.
func (inv *invocation) load() (*config.Config, error) {
	entries, exposed, err := inv.settings()
	if err != nil {
		return nil, err
	}
	c, err := config.Load(entries, config.ReadAtStart)
	if err != nil {
		return nil, settingsError{err}
	}
	c.SecretExposed = exposed
	return c, nil
}
