//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// direct is the name in the tables for requests to Exchange without a proxy.
const direct = "direct"

func at(n int) string {
	if n == 1 {
		return "at 1 connection"
	}
	return fmt.Sprintf("at %d connections", n)
}

func cpuAt(n int) metric        { return metric{"CPU per request " + at(n), "µs"} }
func throughputAt(n int) metric { return metric{"throughput " + at(n), "requests/s"} }
func p50At(n int) metric        { return metric{"p50 " + at(n), "µs"} }
func p99At(n int) metric        { return metric{"p99 " + at(n), "µs"} }
func addedAt(n int) metric      { return metric{"p50 added to that of going direct, " + at(n), "µs"} }

// launchAll starts every peer in front of the Exchange at upstream. The
// caller must call stop, which ends the peers.
func (b *bench) launchAll(ctx context.Context, upstream string) (all []*instance, stop func(), err error) {
	stop = func() {
		for _, i := range all {
			i.stop()
		}
	}
	for _, p := range b.chosen() {
		i, err := b.launch(ctx, p, upstream)
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, i)
	}
	return all, stop, nil
}

// inTurn returns the order of the peers in a round; every second round is reversed.
func inTurn(round int, all []*instance) []*instance {
	turn := slices.Clone(all)
	if round%2 == 1 {
		slices.Reverse(turn)
	}
	return turn
}

// load measures each peer with wrk, which sends the next request on a connection as
// soon as it has the response.
func (b *bench) load(ctx context.Context) error {
	all, stop, err := b.launchAll(ctx, b.direct)
	if err != nil {
		return err
	}
	defer stop()
	for _, i := range all {
		if _, err := b.wrk(ctx, i.url(), "proxied.lua", 16, 1); err != nil {
			return fmt.Errorf("warm %s: %w", i.name, err)
		}
	}
	for round := range b.rounds {
		for _, connections := range b.connections {
			b.progress("load, round %d of %d, %s", round+1, b.rounds, at(connections))
			if err := b.loadRound(ctx, inTurn(round, all), connections); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) loadRound(ctx context.Context, turn []*instance, connections int) error {
	seconds := b.pick(2, 1)
	straight, err := b.wrk(ctx, "https://"+b.direct, "direct.lua", connections, seconds)
	if err != nil {
		return fmt.Errorf("%s: %w", direct, err)
	}
	b.results.addRun(direct, connections, straight)
	for _, i := range turn {
		before := i.cpu()
		run, err := b.wrk(ctx, i.url(), "proxied.lua", connections, seconds)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		used := i.cpu() - before
		b.results.add(cpuAt(connections), i.name, micro(used)/run.Requests)
		b.results.addRun(i.name, connections, run)
		b.results.add(addedAt(connections), i.name, run.P50-straight.P50)
	}
	return nil
}

func (r *results) addRun(name string, connections int, run wrkRun) {
	r.add(throughputAt(connections), name, run.Requests/(run.Microseconds/1e6))
	r.add(p50At(connections), name, run.P50)
	r.add(p99At(connections), name, run.P99)
}

// A wrkRun is what peers/post.lua prints at the end.
type wrkRun struct{ Requests, Microseconds, P50, P99, Errors float64 }

// wrk runs the program wrk once. A response other than 200 and a failed
// connection are errors.
func (b *bench) wrk(ctx context.Context, base, script string, connections, seconds int) (run wrkRun, err error) {
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(seconds)+"s",
		"-s", b.path(script), base+"/EWS/Exchange.asmx")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return run, fmt.Errorf("wrk: %w: %s", err, out)
	}
	b.loading += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	text := strings.TrimSpace(string(out))
	if err := json.Unmarshal([]byte(text[strings.LastIndexByte(text, '\n')+1:]), &run); err != nil {
		return run, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if run.Errors > 0 || run.Requests == 0 {
		return run, fmt.Errorf("wrk: %.0f of %.0f requests had no correct response: %s", run.Errors, run.Requests, out)
	}
	return run, nil
}
