//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
)

// A finding is the behaviour of a peer that was observed before the
// measurement.
type finding struct {
	peer                          string
	inspects, authority, hostname bool       // whether the peer refuses requests for other mailboxes, certificates of unknown authorities, and certificates for other host names
	letThrough                    [][]string // names of the hostile requests that the peer forwards, for each of bench.families; nil unless the peer inspects
}

// verify checks that every peer does the work that is compared. It returns an error
// if hmaproxy accepts a false Exchange or forwards a hostile request. If another
// peer does so, verify records that in the findings, and the peer is still measured.
func (b *bench) verify(ctx context.Context) error {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, p := range b.chosen() {
		found, err := b.verifyPeer(ctx, client, p)
		if err == nil && p.name == product {
			err = b.acceptable(found)
		}
		if err != nil {
			return fmt.Errorf("verify %s: %w", p.name, err)
		}
		b.findings = append(b.findings, found)
	}
	return nil
}

// acceptable returns an error if hmaproxy must not be measured after this finding.
func (b *bench) acceptable(f finding) error {
	if !f.authority || !f.hostname {
		return errors.New("it accepts an Exchange that it must not trust")
	}
	if through := describe(b.families, f.letThrough); through != "" {
		return fmt.Errorf("it lets hostile requests through: %s", through)
	}
	return nil
}

func (b *bench) verifyPeer(ctx context.Context, client *http.Client, p peer) (found finding, err error) {
	found = finding{peer: p.name, inspects: p.inspects}
	if found.letThrough, err = b.verifyWork(ctx, client, p); err != nil {
		return found, err
	}
	if found.authority, err = b.distrusts(ctx, client, p, b.untrusted); err != nil {
		return found, fmt.Errorf("in front of an Exchange with an untrusted certificate: %w", err)
	}
	if found.hostname, err = b.distrusts(ctx, client, p, b.misnamed); err != nil {
		return found, fmt.Errorf("in front of an Exchange with another host's certificate: %w", err)
	}
	return found, nil
}

// verifyWork checks that a peer sends what it must send and refuses what it
// must refuse. It returns the names of the hostile requests that the peer
// forwards, for each family.
func (b *bench) verifyWork(ctx context.Context, client *http.Client, p peer) (letThrough [][]string, err error) {
	i, err := b.launch(ctx, p, b.direct)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	if err := b.verifyGood(ctx, client, i); err != nil {
		return nil, err
	}
	b.progress("%s: as it should be", i.name)
	if !i.inspects {
		return nil, nil
	}
	if err := b.verifyRefusals(ctx, client, i); err != nil {
		return nil, err
	}
	return b.letsThrough(ctx, client, i)
}

// distrusts reports whether a peer refuses the certificate of an Exchange. It
// sends requests until the peer has tried to connect, because hmaproxy needs a
// token first.
func (b *bench) distrusts(ctx context.Context, client *http.Client, p peer, upstream string) (refused bool, err error) {
	i, err := b.launch(ctx, p, upstream)
	if err != nil {
		return false, err
	}
	defer i.stop()
	err = i.poll(ctx, func() error {
		before, err := b.ask(ctx, "/handshakes")
		if err != nil {
			return err
		}
		status, body, err := post(ctx, client, i.url(), request())
		if err != nil {
			return err
		}
		after, err := b.ask(ctx, "/handshakes")
		if err == nil && after == before {
			err = errors.New("it did not connect to Exchange")
		}
		refused = status >= 500 && !bytes.Contains(body, []byte("no client may get"))
		return err
	})
	return refused, err
}

// printFindings prints which checks each peer does and does not do.
func (b *bench) printFindings(w io.Writer) {
	fmt.Fprintln(w, "Checked behaviour of the peers")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range b.findings {
		fmt.Fprintf(t, "  %s\tattaches the token\t%s\t%s\t%s\n", f.peer,
			does(f.inspects, "refuses another's mailbox", "does not look at the mailbox"),
			does(f.authority, "refuses an unknown authority", "TAKES AN UNKNOWN AUTHORITY"),
			does(f.hostname, "refuses another host's certificate", "TAKES ANOTHER HOST'S CERTIFICATE"))
	}
	t.Flush()
	b.printLetThrough(w)
}

// printLetThrough prints how many requests of each family each inspecting peer
// forwards, and names some of those that were written for the benchmark.
func (b *bench) printLetThrough(w io.Writer) {
	fmt.Fprintln(w, "\nHostile requests that reached Exchange with the token")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  family")
	for _, f := range b.findings {
		if f.inspects {
			fmt.Fprint(t, "\t"+f.peer)
		}
	}
	fmt.Fprintln(t, "\tof")
	for i, family := range b.families {
		fmt.Fprint(t, "  "+family.name)
		for _, f := range b.findings {
			if f.inspects && family.missing != "" {
				fmt.Fprint(t, "\t–")
			} else if f.inspects {
				fmt.Fprintf(t, "\t%d", len(f.letThrough[i]))
			}
		}
		fmt.Fprintln(t, "\t"+family.size())
	}
	t.Flush()
	for i, family := range b.families {
		if family.name != handWritten {
			continue
		}
		fmt.Fprintf(t, "\nThose %s, of %d\n", handWritten, len(family.requests))
		for _, f := range b.findings {
			if f.inspects {
				fmt.Fprintf(t, "  %s\t%d\t%s\n", f.peer, len(f.letThrough[i]), shortList(f.letThrough[i]))
			}
		}
	}
	fmt.Fprintln(t)
	t.Flush()
}

// shortList joins the names with commas. If there are more than six, "…"
// replaces the rest.
func shortList(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}

func does(it bool, yes, no string) string {
	if it {
		return yes
	}
	return no
}
