//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
)

// The part "scale" of the benchmark compares scaledProcessors processors with
// one.
const scaledProcessors = 2

var (
	scaleMeasured = metric{"throughput with 2 processors ÷ that with 1", "measured"}
	scaleComputed = metric{"throughput with 2 processors ÷ that with 1", "computed from CPU per request"}
	binarySize    = metric{"size of the binary", "MB"}
)

func scaledCPU(n int) metric {
	return metric{fmt.Sprintf("CPU per request with GOMAXPROCS=%d at 64 connections", n), "µs"}
}

func scaledThroughput(n int) metric {
	return metric{fmt.Sprintf("throughput with GOMAXPROCS=%d at 64 connections", n), "requests/s"}
}

// scale compares hmaproxy on one processor with hmaproxy on two. The load
// generator and Exchange need processors too, so on a machine with fewer than six
// processors the measured ratio depends on the machine. The ratio computed from
// the CPU time of a request is more informative then.
func (b *bench) scale(ctx context.Context) error {
	var all []*instance
	defer func() {
		for _, i := range all {
			i.stop()
		}
	}()
	for n := 1; n <= scaledProcessors; n++ {
		p := peer{name: fmt.Sprintf("%s on %d", product, n), inspects: true, start: startProduct(b.binary, fmt.Sprintf("GOMAXPROCS=%d", n))}
		i, err := b.launch(ctx, p, b.direct)
		if err != nil {
			return err
		}
		all = append(all, i)
		if _, err := b.wrk(ctx, i.url(), "proxied.lua", 64, 1); err != nil {
			return fmt.Errorf("warm %s: %w", p.name, err)
		}
	}
	for range b.rounds {
		b.progress("scale")
		var cpu, throughput [scaledProcessors]float64
		for n, i := range all {
			before := i.cpu()
			run, err := b.wrk(ctx, i.url(), "proxied.lua", 64, b.pick(2, 1))
			if err != nil {
				return err
			}
			cpu[n], throughput[n] = micro(i.cpu()-before)/run.Requests, run.Requests/(run.Microseconds/1e6)
			b.results.add(scaledCPU(n+1), product, cpu[n])
			b.results.add(scaledThroughput(n+1), product, throughput[n])
		}
		b.results.add(scaleMeasured, product, throughput[1]/throughput[0])
		b.results.add(scaleComputed, product, scaledProcessors*cpu[0]/cpu[1])
	}
	return nil
}

// size measures the size of hmaproxy's binary.
func (b *bench) size(context.Context) error {
	info, err := os.Stat(b.binary)
	if err == nil {
		b.results.add(binarySize, product, float64(info.Size())/1e6)
	}
	return err
}
