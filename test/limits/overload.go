//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	overloadClients = 5000
	overloadTime    = 20 * time.Second

	// probeBound limits the duration of each request to the admin listener.
	probeBound = 100 * time.Millisecond
	// servedBound limits the median time until a request is served.
	servedBound = 2 * time.Second
)

// A probeReport contains what the probing process has measured. Count and Failed
// are numbers of probes, and the other fields are durations in milliseconds.
type probeReport struct {
	Count, Failed, P50, P95, Longest int64
}

// probedPaths are the paths that probeFor requests one after another: the probes, the
// metrics and the status page.
var probedPaths = []string{"/live", "/ready", "/startup", "/metrics", "/"}

// probeFor sends about twenty requests a second to the admin listener, and prints a
// report. It runs in a process of its own, so that the load's goroutines do not delay
// the requests.
func probeFor(d time.Duration) {
	client := &http.Client{Timeout: time.Minute}
	var took []int64
	var report probeReport
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		began := time.Now()
		if what := outcomeOf(client.Get("http://" + adminAddress + probedPaths[len(took)%len(probedPaths)])); what != served {
			report.Failed++
		}
		took = append(took, time.Since(began).Milliseconds())
	}
	slices.Sort(took)
	n := len(took)
	report.Count, report.P50, report.P95, report.Longest = int64(n), took[n/2], took[n*19/20], took[n-1]
	_ = json.NewEncoder(os.Stdout).Encode(report)
}

var backOffValue = regexp.MustCompile(`"BackOffMilliseconds">(\d+)<`)

// overload lets many clients send one request after another. A client that gets
// ErrorServerBusy waits for the back-off in the response.
func overload(w *environment, t *tally) {
	ctx, cancel := context.WithTimeout(w.ctx, overloadTime)
	defer cancel()
	probe := w.command(os.Args[0], "-probe", overloadTime.String())
	probe.Stderr = os.Stderr
	reported := make(chan error, 1)
	go func() {
		text, err := probe.Output()
		if err == nil {
			err = json.Unmarshal(text, &w.probes)
		}
		reported <- err
	}()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: overloadClients}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	text := envelope(0)
	for range overloadClients {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				what, wait := askOnce(client, text)
				t.add(what, time.Since(began))
				pause(ctx, wait)
			}
		})
	}
	all.Wait()
	if err := <-reported; err != nil {
		fmt.Println("  the probes:", err)
	}
}

// askOnce sends a request and returns its outcome and the back-off for the
// client.
func askOnce(client *http.Client, text string) (what string, wait time.Duration) {
	resp, err := client.Post("http://"+clientAddress+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", strings.NewReader(text))
	if err != nil {
		return "broken off", time.Second
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		return served, 0
	}
	if m := backOffValue.FindSubmatch(body); err == nil && m != nil {
		ms, _ := strconv.Atoi(string(m[1]))
		return busy, time.Duration(ms) * time.Millisecond
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("X-Hmaproxy-Error")), time.Second
}

func checkOverload(w *environment, load, mail, _ *tally) []string {
	fmt.Printf("  half of the served within %d ms, of the refused within %d ms; %d probes: half within %d ms, 19 of 20 within %d, all within %d\n",
		load.median(served).Milliseconds(), load.median(busy).Milliseconds(), w.probes.Count, w.probes.P50, w.probes.P95, w.probes.Longest)
	problems := servedOrBusy()(w, load, nil, nil)
	if m := load.median(served); m > servedBound {
		problems = append(problems, fmt.Sprintf("half of the requests waited for more than %v", servedBound))
	}
	if w.probes.Failed > 0 || w.probes.Count == 0 || w.probes.Longest > probeBound.Milliseconds() {
		problems = append(problems, fmt.Sprintf("%d of %d requests to the admin listener failed, and the longest took %d ms; it may take %d", w.probes.Failed, w.probes.Count, w.probes.Longest, probeBound.Milliseconds()))
	}
	return problems
}
