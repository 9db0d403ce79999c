//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/corpus"
)

// A family is a set of hostile requests from one source.
type family struct {
	name     string
	requests []hostileRequest
	missing  string         // folder of the source, if it is not there
	leftOut  map[string]int // numbers of rows that are not sent, by their strength
}

// handWritten is the name of the family hostileRequests.
const handWritten = "written for the benchmark"

// families returns all families, in the order of the tables. root is the root of the
// module.
func families(root string) ([]family, error) {
	documents, err := documentFamily(filepath.Join(root, "proxy/internal/soap/testdata/bad"))
	if err != nil {
		return nil, err
	}
	bodies, err := corpusFamily(root, corpus.SOAP, "shared corpus, SOAP")
	if err != nil {
		return nil, err
	}
	whole, err := corpusFamily(root, corpus.HTTP, "shared corpus, HTTP")
	if err != nil {
		return nil, err
	}
	return []family{{name: handWritten, requests: hostileRequests()}, documents, bodies, whole}, nil
}

// documentFamily returns the documents in a folder as bodies of requests that are
// valid otherwise.
func documentFamily(folder string) (family, error) {
	f := family{name: "tests of the scanner"}
	paths, err := filepath.Glob(filepath.Join(folder, "*.xml"))
	if err != nil {
		return f, err
	}
	if len(paths) == 0 {
		return f, fmt.Errorf("no documents in %s", folder)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return f, err
		}
		f.requests = append(f.requests, hostileRequest{name: filepath.Base(path), body: string(text)})
	}
	return f, nil
}

// corpusFamily returns the requests of a shared corpus that must not reach Exchange.
func corpusFamily(root, source, name string) (family, error) {
	f := family{name: name, leftOut: make(map[string]int)}
	rows, err := corpus.Read(root, source)
	if errors.Is(err, fs.ErrNotExist) {
		f.missing = corpus.Folder + "/" + source
		return f, nil
	}
	if err != nil {
		return f, err
	}
	for _, row := range rows {
		if row.Expected != corpus.Deny {
			continue
		}
		// Rows of these strengths need another configuration of hmaproxy than
		// the benchmark's, or cannot be decided by any proxy.
		if row.Strength == corpus.BodyCheck || row.Strength == corpus.Limit {
			f.leftOut[row.Strength]++
			continue
		}
		content, err := row.Content()
		if err != nil {
			return f, err
		}
		if source == corpus.HTTP {
			f.requests = append(f.requests, hostileRequest{name: row.File, raw: content})
			continue
		}
		header := http.Header{"Content-Type": single(row.ContentType), "Content-Encoding": single(row.ContentEncoding)}
		f.requests = append(f.requests, hostileRequest{name: row.File, body: string(content), header: header})
	}
	return f, nil
}

// single returns the values of a header with one value, or nil for a header that
// is not sent because its value is "".
func single(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// size returns a text with the number of requests and the numbers of rows that are
// left out. If the source is missing, the text says so instead.
func (f family) size() string {
	if f.missing != "" {
		return "NOT SENT: " + f.missing + " is not there"
	}
	text := fmt.Sprint(len(f.requests))
	for _, strength := range slices.Sorted(maps.Keys(f.leftOut)) {
		text += fmt.Sprintf(", without %d of strength %s", f.leftOut[strength], strength)
	}
	return text
}

// hostileTimeout limits the time for the response to a hostile request. A proxy
// may wait for the rest of an incomplete request for longer.
const hostileTimeout = 2 * time.Second

// goodTimeout limits the time for the response to the good request after hostile
// requests.
const goodTimeout = 15 * time.Second

// letsThrough sends all families to a peer. It returns the names of the requests of
// each family that reach Exchange with the token. After each family, the peer
// must still serve the good request.
func (b *bench) letsThrough(ctx context.Context, client *http.Client, i *instance) (names [][]string, err error) {
	for _, f := range b.families {
		through, err := b.sendFamily(ctx, client, i, f)
		if err != nil {
			return nil, fmt.Errorf("hostile requests %s: %w", f.name, err)
		}
		if err := b.verifyStillGood(ctx, client, i); err != nil {
			return nil, fmt.Errorf("after the hostile requests %s: %w", f.name, err)
		}
		names = append(names, through)
	}
	return names, nil
}

func (b *bench) verifyStillGood(ctx context.Context, client *http.Client, i *instance) error {
	ctx, cancel := context.WithTimeout(ctx, goodTimeout)
	defer cancel()
	return b.verifyGood(ctx, client, i)
}

// sendFamily sends the requests one after the other and returns the names of those
// after which Exchange has seen more requests than before.
func (b *bench) sendFamily(ctx context.Context, client *http.Client, i *instance, f family) (names []string, err error) {
	before, _, err := b.seen(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range f.requests {
		if err := h.send(ctx, client, i); err != nil {
			return nil, fmt.Errorf("%s: %w", h.name, err)
		}
		after, _, err := b.seen(ctx)
		if err != nil {
			return nil, err
		}
		if after > before {
			names = append(names, h.name)
		}
		before = after
	}
	return names, nil
}

// send sends the request and waits for the response. A proxy may close the connection
// to refuse a request. So send returns no error if the response is missing or
// malformed. It returns one if the proxy accepts no connection.
func (h hostileRequest) send(ctx context.Context, client *http.Client, i *instance) error {
	within, cancel := context.WithTimeout(ctx, hostileTimeout)
	defer cancel()
	if h.raw != nil {
		return sendRaw(within, i.address, h.raw)
	}
	r, err := h.request(within, i.url())
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err == nil {
		resp.Body.Close()
	}
	var failed *net.OpError
	if errors.As(err, &failed) && failed.Op == "dial" {
		return failed
	}
	return ctx.Err()
}

// sendRaw sends the bytes of a request over a new connection and waits for the header
// of a response, the end of the connection or the end of ctx.
func sendRaw(ctx context.Context, address string, request []byte) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	// The proxy may respond, or close the connection, before it has read the
	// whole request.
	go conn.Write(corpus.Address(request, address))
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		resp.Body.Close()
	}
	return nil
}

// describe returns the names of the requests that a peer lets through, for an error.
func describe(all []family, names [][]string) string {
	var parts []string
	for i, through := range names {
		if len(through) > 0 {
			parts = append(parts, all[i].name+": "+strings.Join(through, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
