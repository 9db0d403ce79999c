// Command soak runs the whole product with the emulated services for minutes,
// under load and with random faults. It checks that no request was lost, executed
// twice or altered, and that no secret was written.
//
// The faults depend on a seed, which is printed. -seed repeats the faults. Build
// the command with -race. docs/soak.md lists what must hold at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case err == nil:
	case errors.Is(err, flag.ErrHelp), errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stdout, "FAILED:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

// run runs the soak test with the given arguments and writes the report to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	duration := flags.Duration("duration", 5*time.Minute, "how long to soak")
	seed := flags.Uint64("seed", 0, "seed of the faults; 0 draws one")
	clients := flags.Int("clients", 16, "clients that send requests at the same time")
	log := flags.String("log", "", "file to keep the product's log in")
	if err := flags.Parse(args); err != nil {
		return errors.Join(errUsage, err)
	}
	if flags.NArg() > 0 || *clients < 1 || *duration <= 0 {
		fmt.Fprintln(out, "soak takes flags only: a positive -duration, at least one of -clients")
		return errUsage
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	fmt.Fprintf(out, "soaking for %v with %d clients; -seed %d repeats the faults\n", *duration, *clients, *seed)
	s := &soak{out: out, clients: *clients, random: rand.New(rand.NewPCG(*seed, 0)), seed: *seed}
	if *log != "" {
		file, err := os.OpenFile(*log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		s.log.keep = file
	}
	return s.run(ctx, *duration)
}
