//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

var idleMemory = metric{"resident memory, idle", "MB"}

func memoryAt(n int) metric { return metric{fmt.Sprintf("resident memory at %d streams", n), "MiB"} }
func perStreamAt(n int) metric {
	return metric{fmt.Sprintf("memory per stream at %d", n), "KiB"}
}

// streams returns the numbers of open streams: first a few, then many.
func (o options) streams() (few, many int) { return o.pick(1000, 200), o.pick(5000, 1000) }

// memory measures the resident memory of each peer, idle and with open streaming
// notifications. It measures each peer once, whatever -rounds says.
func (b *bench) memory(ctx context.Context) error {
	for _, p := range b.chosen() {
		b.progress("memory, %s", p.name)
		if err := b.memoryOf(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) memoryOf(ctx context.Context, p peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	i, err := b.launch(ctx, p, b.heavy.address)
	if err != nil {
		return err
	}
	defer i.stop()
	settle := time.Duration(b.pick(11000, 500)) * time.Millisecond  // hmaproxy returns the memory that opening streams needed at its second check, at the latest
	time.Sleep(time.Duration(b.pick(6500, 500)) * time.Millisecond) // hmaproxy returns the memory of its start to the system after 5 s
	idle := i.memory("VmRSS")
	b.results.add(idleMemory, p.name, idle*1024/1e6)
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	few, many := b.streams()
	open := 0
	for _, count := range []int{few, many} {
		if err := hold(ctx, client, i.url(), count-open); err != nil {
			return err
		}
		open = count
		time.Sleep(settle)
		used := i.memory("VmRSS")
		b.results.add(memoryAt(count), p.name, used/1024)
		b.results.add(perStreamAt(count), p.name, (used-idle)/float64(count))
	}
	return nil
}

// hold opens the given number of new streams, several at a time. They stay open
// until ctx ends. hold returns when each of them has received its first event.
func hold(ctx context.Context, client *http.Client, base string, count int) error {
	jobs := make(chan struct{}, count)
	for range count {
		jobs <- struct{}{}
	}
	close(jobs)
	var all sync.WaitGroup
	failed := make(chan error, 64)
	for range cap(failed) {
		all.Go(func() {
			for range jobs {
				if err := openStream(ctx, client, base); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func openStream(ctx context.Context, client *http.Client, base string) error {
	const operation = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:SubscriptionIds>` +
		`<m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`
	r, err := asking(operation).request(ctx, base)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("a stream got %s", resp.Status)
	}
	got := make([]byte, len(event))
	if _, err := io.ReadFull(bufio.NewReaderSize(resp.Body, 16), got); err != nil {
		resp.Body.Close()
		return fmt.Errorf("a stream's first event: %w", err)
	}
	return nil // the connections are closed when ctx ends
}
