//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

func speedOf(way string) metric  { return metric{"64 MiB " + way, "MB/s"} }
func workOf(way string) metric   { return metric{"CPU of a 64 MiB " + way, "ms/MB"} }
func growthOf(way string) metric { return metric{"memory growth by a 64 MiB " + way, "MiB"} }

// bulk measures each peer with large bodies in both directions.
func (b *bench) bulk(ctx context.Context) error {
	all, stop, err := b.launchAll(ctx, b.heavy.address)
	if err != nil {
		return err
	}
	defer stop()
	for round := range b.rounds {
		b.progress("bulk, round %d of %d", round+1, b.rounds)
		for _, i := range inTurn(round, all) {
			if err := b.bulkOf(ctx, i, "download", download); err != nil {
				return fmt.Errorf("%s: download: %w", i.name, err)
			}
		}
		for _, i := range inTurn(round, all) {
			if err := b.bulkOf(ctx, i, "upload", upload); err != nil {
				return fmt.Errorf("%s: upload: %w", i.name, err)
			}
		}
	}
	return nil
}

func (b *bench) bulkOf(ctx context.Context, i *instance, way string, move func(context.Context, string) error) error {
	if err := i.forgetPeak(); err != nil {
		return err
	}
	resident, used, began := i.memory("VmHWM"), i.cpu(), time.Now()
	times := b.pick(5, 1) // each body takes only a tenth of a second
	for range times {
		if err := move(ctx, i.url()); err != nil {
			return err
		}
	}
	took := time.Since(began)
	mb := float64(times) * bulkBytes / 1e6
	b.results.add(speedOf(way), i.name, mb/took.Seconds())
	b.results.add(workOf(way), i.name, micro(i.cpu()-used)/1000/mb)
	b.results.add(growthOf(way), i.name, (i.memory("VmHWM")-resident)/1024)
	return nil
}

// once sends a request on a new connection and copies the response's body to a
// writer. It returns the length of the body in bytes.
func once(r *http.Request, into io.Writer) (int64, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("it got %s", resp.Status)
	}
	return io.Copy(into, resp.Body)
}

func download(ctx context.Context, base string) error {
	r, err := asking(`<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="x"/></m:AttachmentIds></m:GetAttachment>`).request(ctx, base)
	if err != nil {
		return err
	}
	n, err := once(r, io.Discard)
	if err == nil && n != bulkBytes {
		err = fmt.Errorf("%d bytes came of %d", n, bulkBytes)
	}
	return err
}

// upload sends a large message and checks that Exchange received all of it.
func upload(ctx context.Context, base string) error {
	before, after, _ := strings.Cut(asking(`<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:MimeContent>|`+
		`</t:MimeContent></t:Message></m:Items></m:CreateItem>`).body, "|")
	r, err := asking("").request(ctx, base)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(before), io.LimitReader(letters{}, bulkBytes), strings.NewReader(after)))
	r.ContentLength = int64(len(before) + bulkBytes + len(after))
	r.GetBody = nil
	var response strings.Builder
	if _, err := once(r, &response); err != nil {
		return err
	}
	var got int64 // size of the request that Exchange got; a proxy that writes the SOAP header in a longer form makes it larger
	if _, err := fmt.Sscanf(response.String(), "<got>%d</got>", &got); err != nil || got < r.ContentLength {
		return fmt.Errorf("of %d bytes Exchange said %.100q", r.ContentLength, response.String())
	}
	return nil
}
