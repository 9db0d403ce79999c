package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/emulator"
)

const (
	slowConns = "200"                  // number of connections of slowhttptest
	rate      = "50"                   // number of connections opened per second, the default of slowhttptest
	maxDelay  = 100 * time.Millisecond // the largest permitted delay of a normal client
)

func slowHeaders(ctx context.Context) error {
	return slow(ctx, "25", true, "-H", "-i", "5", "-u", "/EWS/Exchange.asmx")
}

// slowBody sends requests with slow bodies for 25 seconds. hmaproxy permits a
// body to take longer, so the connections may still be open then. A test in
// simulated time checks the time limit of bodies.
func slowBody(ctx context.Context) error {
	return slow(ctx, "25", false, "-B", "-i", "5", "-s", "100000", "-f", "text/xml", "-u", "/EWS/Exchange.asmx")
}

func slowRead(ctx context.Context) error {
	return slow(ctx, "25", false, "-X", "-n", "5", "-z", "32", "-w", "512", "-y", "1024", "-k", "3", "-u", "/EWS/Exchange.asmx?wsdl")
}

// slow runs slowhttptest while a normal client sends requests, and reports the
// effect on that client, first in clear text and then over TLS. If ended is true, all
// slow connections must be closed before slowhttptest ends. The last argument is the
// path of a URL.
func slow(ctx context.Context, seconds string, ended bool, args ...string) error {
	tool, err := need(ctx, "slowhttptest", "slowhttptest")
	if err != nil {
		return err
	}
	for _, start := range []func(context.Context, ...string) (*product, error){newProduct, newTLSProduct} {
		s, err := start(ctx)
		if err != nil {
			return err
		}
		err = s.slow(ctx, tool, seconds, ended, args)
		s.close()
		if err != nil {
			return fmt.Errorf("%s: %w", s.scheme, err)
		}
	}
	return nil
}

func (s *product) slow(ctx context.Context, tool, seconds string, ended bool, args []string) error {
	s.Exchange().Inject(10_000, emulator.Fault{ // a response that does not fit into buffers
		Match:  func(r *http.Request) bool { return r.Method == http.MethodGet },
		Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Filler: 1 << 20,
	})
	before, err := s.measure(ctx, 3*time.Second)
	if err != nil {
		return err
	}
	last := len(args) - 1
	args = append(slices.Clone(args[:last]), s.scheme+"://"+s.clients[0]+args[last])
	cmd := exec.CommandContext(ctx, tool, append([]string{"-c", slowConns, "-r", rate, "-l", seconds, "-p", "3", "-v", "1"}, args...)...)
	done := make(chan []byte, 1)
	go func() {
		out, _ := cmd.CombinedOutput()
		done <- out
	}()
	length, _ := strconv.Atoi(seconds)
	during, err := s.measure(ctx, time.Duration(length-1)*time.Second)
	if err != nil {
		return fmt.Errorf("a normal client under attack: %w", err)
	}
	state := lastState(<-done)
	fmt.Printf("   %s, normal client: median %v before, %v under attack; 99th percentile %v, %v; slowest %v, %v\n",
		s.scheme, before.at(50), during.at(50), before.at(99), during.at(99), before.at(100), during.at(100))
	fmt.Printf("   slowhttptest: %s\n", state)
	switch {
	case during.at(50)-before.at(50) > maxDelay, during.at(99)-before.at(99) > maxDelay:
		return fmt.Errorf("a normal client loses more than %v", maxDelay)
	case !strings.Contains(state, "service available: YES"):
		return errors.New("slowhttptest found the service unavailable, or did not run")
	case ended && !strings.Contains(state, "No open connections left"):
		return errors.New("slow connections are never ended")
	}
	return nil
}

// A latency is a sorted list of durations.
type latency []time.Duration

// at returns the given percentile.
func (l latency) at(percent int) time.Duration {
	return l[min(len(l)*percent/100, len(l)-1)].Round(100 * time.Microsecond)
}

// measure sends at most twenty requests a second for the duration d, as a normal
// client does, and returns how long each took.
func (s *product) measure(ctx context.Context, d time.Duration) (latency, error) {
	var all latency
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		took, err := s.post()
		if err != nil {
			return nil, err
		}
		all = append(all, took)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	slices.Sort(all)
	return all, nil
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// lastState returns the last table that slowhttptest printed, in one line.
func lastState(out []byte) string {
	text := colour.ReplaceAllString(string(out), "")
	at := strings.LastIndex(text, "slow HTTP test status")
	if at < 0 {
		return strings.Join(strings.Fields(text), " ")
	}
	var state []string
	for line := range strings.Lines(text[at:]) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(value) != "" {
			state = append(state, strings.TrimSpace(name)+": "+strings.TrimSpace(value)+" ")
		}
	}
	return strings.Join(state, "")
}
