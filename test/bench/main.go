//go:build linux

// Command bench compares hmaproxy with other proxies that do the same work.
//
//	go run ./test/bench [-quick] [-only cpu,rate,memory,bulk,start,scale,size] [-json FILE]
//
// The command needs Debian, and root unless nginx, haproxy and wrk are already
// installed. README.md describes the measurements and how they are made. The exit
// status is 1 when the check of a peer or a measurement fails. A missed goal does not
// change the exit status.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// whole is the time limit of all measurements, without the time for the first
// build of the peers.
const whole = 10 * time.Minute

func main() {
	if len(os.Args) > 1 && os.Args[1] == "reference" {
		fail(reference(os.Args[2:]))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	fail(err)
}

func fail(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// options are the flags of the command line.
type options struct {
	only, peers     []string
	connections     []int
	rounds          int
	quick           bool
	binary, against string
	json            string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", strings.Join(partNames(), ","), "the parts to run")
	peers := flags.String("peers", "", "the peers to compare with, or none (default all; with -quick nginx-lua,nginx)")
	connections := flags.String("connections", "1,16,256", "the numbers of connections of the part cpu")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds of each part (default 3; with -quick 1)")
	flags.BoolVar(&o.quick, "quick", false, "less of everything, in under a minute: to see that it works")
	flags.StringVar(&o.binary, "binary", "", "a hmaproxy that is built already")
	flags.StringVar(&o.against, "against", "", "a second hmaproxy, to be a peer named \"other\"")
	flags.StringVar(&o.json, "json", "", "write every sample to this file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.only = strings.Split(*only, ",")
	o.defaults(*peers)
	for text := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-connections %s: %q is not a number of connections", *connections, text)
		}
		o.connections = append(o.connections, n)
	}
	return o, o.check()
}

func (o *options) defaults(peers string) {
	switch {
	case peers == "none":
	case peers != "":
		o.peers = strings.Split(peers, ",")
	case o.quick:
		o.peers = []string{"nginx-lua", "nginx"}
	default:
		o.peers = peerNames()
	}
	if o.rounds < 1 {
		o.rounds = 3
		if o.quick {
			o.rounds = 1
		}
	}
}

func (o options) check() error {
	for _, name := range o.only {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("-only %s: no such part; there are %s", name, strings.Join(partNames(), ","))
		}
	}
	for _, name := range o.peers {
		if !slices.Contains(peerNames(), name) {
			return fmt.Errorf("-peers %s: no such peer; there are %s", name, strings.Join(peerNames(), ","))
		}
	}
	return nil
}

// pick returns the first number in a whole run and the second in a quick one.
func (o options) pick(whole, quick int) int {
	if o.quick {
		return quick
	}
	return whole
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b, err := prepare(ctx, o, stderr)
	if err != nil {
		return because(ctx, err)
	}
	defer b.close()
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	if err := b.verify(ctx); err != nil {
		return because(ctx, err)
	}
	for _, p := range parts() {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		if err := b.listen(p.name, func() error { return p.run(b, ctx) }); err != nil {
			return because(ctx, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	b.printFindings(stdout)
	b.results.print(stdout)
	b.results.printGoals(stdout)
	b.printNoise(stdout)
	if o.json != "" {
		return b.results.save(o.json)
	}
	return nil
}

// because changes an error that occurred because ctx has ended: the text then says
// that the time limit was exceeded or that the run was interrupted.
func because(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done after %v: %w", whole, err)
	case ctx.Err() != nil:
		return errors.New("interrupted")
	}
	return err
}

// A part measures one or more quantities, with every peer in turn or with
// hmaproxy only.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

func parts() []part {
	return []part{
		{"cpu", (*bench).load}, {"rate", (*bench).rate}, {"memory", (*bench).memory},
		{"bulk", (*bench).bulk}, {"start", (*bench).startup}, {"scale", (*bench).scale}, {"size", (*bench).size},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}
