//go:build linux

package main

import (
	"context"
	"time"
)

// startTime is the time to the first correct response, with certificate, token and
// connection to Exchange.
var startTime = metric{"start to the first correct response", "ms"}

// startup starts each peer several times and measures the time until its first
// correct response.
func (b *bench) startup(ctx context.Context) error {
	b.progress("start")
	for range b.rounds * b.pick(3, 2) {
		for _, p := range b.chosen() {
			i, err := b.launch(ctx, p, b.direct)
			if err != nil {
				return err
			}
			i.stop()
			b.results.add(startTime, p.name, float64(i.ready)/float64(time.Millisecond))
		}
	}
	return nil
}
