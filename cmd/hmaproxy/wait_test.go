package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// serveAdmin serves handler in place of an admin listener and returns its
// address.
func serveAdmin(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// TestWaitReportsTheCause checks that the error of the command wait contains the
// last response of the proxy, even if the time ends during a probe.
func TestWaitReportsTheCause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var probes atomic.Int32
	address := serveAdmin(t, func(w http.ResponseWriter, r *http.Request) {
		if probes.Add(1) == 1 {
			http.Error(w, "not ready: no access token: AADSTS7000222", http.StatusServiceUnavailable)
			return
		}
		cancel() // the time ends during the wait for this response
		<-r.Context().Done()
	})
	err := waitReady(ctx, address, nil)
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000222") || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestWaitWithoutAnyResponse(t *testing.T) {
	address := serveAdmin(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	var out bytes.Buffer
	err := run(t.Context(), []string{"wait", "-timeout", "300ms"}, []string{"HMA_ADMIN_LISTEN=" + address}, stdio{nil, &out, &out})
	if err == nil || !strings.Contains(err.Error(), "no response from HMA_ADMIN_LISTEN ("+address+")") {
		t.Errorf("error %v", err)
	}
}

// TestProbesReadTheAddressAsServeDoes checks that the commands health and wait ignore
// blanks and carriage returns around the value of HMA_ADMIN_LISTEN, as the command
// serve does.
func TestProbesReadTheAddressAsServeDoes(t *testing.T) {
	address := serveAdmin(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	for _, command := range []string{"health", "wait"} {
		for _, value := range []string{address, " " + address + " ", address + "\r", "\t" + address + "\r\n"} {
			var out bytes.Buffer
			if err := run(t.Context(), []string{command}, []string{"HMA_ADMIN_LISTEN=127.0.0.1:1", "HMA_ADMIN_LISTEN=" + value}, stdio{nil, &out, &out}); err != nil {
				t.Errorf("%s with %q: %v", command, value, err)
			}
		}
	}
}

// TestWaitReportsWrongValues checks that the command wait fails immediately, with the
// error of the command serve, if no process listens and serve would refuse a value. A
// process that listens has settings of its own, so wait asks that process. If a setting
// is only missing, wait goes on waiting, because the setting may be set for another
// process.
func TestWaitReportsWrongValues(t *testing.T) {
	ready := serveAdmin(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	notReady := serveAdmin(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not ready: no access token", http.StatusServiceUnavailable)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	const wrong = "HMA_SHUTDOWN_TIMEOUT=a while"
	for name, tc := range map[string]struct {
		address, timeout string
		settings         []string
		want             string // part of the error; "" for no error
		code             int
	}{
		"wrong value, no process":         {closed, "0", []string{wrong}, "HMA_SHUTDOWN_TIMEOUT", exitSettings},
		"wrong value, ready process":      {ready, "0", []string{wrong}, "", exitStopped},
		"wrong value, process not ready":  {notReady, "300ms", []string{wrong}, "no access token", exitFailed},
		"missing settings, no process":    {closed, "300ms", nil, "no hmaproxy responds", exitFailed},
		"unknown name, no process":        {closed, "300ms", []string{"HMA_UNKNOWN=1"}, "no hmaproxy responds", exitFailed},
		"file that is away, no process":   {closed, "300ms", []string{"HMA_ALLOWED_MAILBOXES_FILE=" + t.TempDir() + "/away"}, "no hmaproxy responds", exitFailed},
		"value of another program's name": {closed, "300ms", []string{"HTTPS_PROXY=::"}, "no hmaproxy responds", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			environ := append([]string{"HMA_ADMIN_LISTEN=" + tc.address}, tc.settings...)
			err := run(t.Context(), []string{"wait", "-timeout", tc.timeout}, environ, stdio{nil, &out, &out})
			if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if code := exitCode(err); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
		})
	}
}
