//go:build unix

package sidecar

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/sdnotify"
	"hmaproxy/token"
)

// tokenless is a product that never gets a token, and what its supervisor hears.
func tokenless(t *testing.T) (*app, *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	keeper, err := token.New(token.Config{
		Authority: &url.URL{Scheme: "https", Host: "login.microsoftonline.com"},
		TenantID:  "contoso.com", ClientID: "11111111-1111-1111-1111-111111111111", Resource: "https://mail.contoso.com",
		Certificates: func(context.Context) ([]*tls.Certificate, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &app{
		o: Options{Notify: sdnotify.New(path)}, log: slog.New(slog.DiscardHandler),
		keeper: keeper, policies: &policies{}, begun: time.Now(),
	}, conn
}

func TestSupervisorIsNotKeptWaitingForever(t *testing.T) {
	a, conn := tokenless(t)
	var told supervision
	hears := func(want string) {
		t.Helper()
		a.tellState(&told)
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		b := make([]byte, 1024)
		if n, _ := conn.Read(b); string(b[:n]) != want {
			t.Errorf("told %q, want %q", b[:n], want)
		}
	}
	hears("STATUS=not ready: no access token yet")
	hears("") // nothing new
	a.begun = a.begun.Add(-readyPatience)
	hears("READY=1")
	hears("")
	alarm := "line 3"
	a.policies.alarm.Store(&alarm)
	hears("STATUS=not ready: no access token yet alarm: the allow-list file was not taken up, the old list is in force: line 3")
	a.draining.Store(true)
	a.policies.alarm.Store(nil)
	hears("") // it was told that this is the end
}

func TestReloadLooksAtEverything(t *testing.T) {
	a, conn := tokenless(t)
	looks := map[string]int{}
	file := func(name string) *reloader {
		return &reloader{variable: name, log: a.log, take: func() (bool, error) { looks[name]++; return false, nil }}
	}
	a.o.Config = &config.Config{}
	a.door.clients = &clients{files: file("users")}
	a.door.keyPair = &keyPair{files: file("pair")}
	heard := func() string {
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		b := make([]byte, 1024)
		n, _ := conn.Read(b)
		return string(b[:n])
	}
	a.reload(false)
	if got := heard(); got != "" || looks["users"] != 1 || looks["pair"] != 1 {
		t.Errorf("before it was ready: looked %v, told %q", looks, got)
	}
	a.reload(true)
	if first, second := heard(), heard(); !strings.HasPrefix(first, "RELOADING=1") || second != "READY=1" || looks["users"] != 2 || looks["pair"] != 2 {
		t.Errorf("looked %v, told %q and %q", looks, first, second)
	}
	a.draining.Store(true)
	a.reload(true)
	if got := heard(); got != "" || looks["users"] != 2 {
		t.Errorf("while stopping: looked %v, told %q", looks, got)
	}
}
