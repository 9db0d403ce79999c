package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"hmaproxy/internal/app"
	"hmaproxy/internal/config"
	"hmaproxy/internal/emulator"
)

const (
	mailbox = "alice@contoso.com"

	tokenLife    = 2 * time.Minute  // longer than any fault, which lasts some seconds
	stormTime    = 6 * time.Second  // duration of each period of faults
	calmTime     = 3 * time.Second  // duration of each period without faults, in which no request may fail
	recoveryTime = 45 * time.Second // longest time from the last fault until requests succeed; at worst, refused tokens are replaced every 30 s
)

// A soak is one run of the soak test.
type soak struct {
	out     io.Writer
	clients int
	random  *rand.Rand // source of the faults; used by one goroutine
	seed    uint64

	emu     *emulator.Emulator
	certs   []*emulator.Certificate
	ledger  *ledger
	log     canaryLog
	address string // address of the product's listener
	faults  int
	revoked time.Time
}

// run runs the soak test for d and returns the errors that it found.
func (s *soak) run(ctx context.Context, d time.Duration) error {
	before := runtime.NumGoroutine()
	s.ledger = newLedger()
	var err error
	s.emu, err = emulator.New(emulator.Config{TokenLifetime: tokenLife, Observe: func(h emulator.Hop) {
		if h.Executed {
			s.ledger.executed(h.BodySHA256)
		}
	}})
	if err != nil {
		return err
	}
	defer s.emu.Close()
	if err := s.emu.Start(); err != nil {
		return err
	}
	s.certs = []*emulator.Certificate{s.emu.Certificate()}
	stop, err := s.startProduct()
	if err != nil {
		return err
	}
	s.weather(ctx, d)
	if err := stop(); err != nil {
		s.ledger.complain("the product ended: %v", err)
	}
	s.emu.Close()
	s.account(before)
	return s.ledger.report(s.out)
}

// startProduct runs the product until the returned function is called.
func (s *soak) startProduct() (stop func() error, err error) {
	environ := []string{"HMA_LISTEN=127.0.0.1:0", "HMA_ADMIN_LISTEN=off", "HMA_CA_FILE=emulator.pem", "HMA_CERT_POLL_INTERVAL=1s",
		"HMA_ALLOWED_MAILBOXES=" + mailbox}
	for name, value := range s.emu.Env() {
		environ = append(environ, name+"="+value)
	}
	c, err := config.Load(environ, func(string) ([]byte, error) { return s.emu.CAPEM(), nil })
	if err != nil {
		return nil, err
	}
	s.log.secrets = [][]byte{[]byte("eyJ"), []byte(s.emu.Config().VaultSecret), []byte("PRIVATE KEY"), []byte("QUJDQUJD")}
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, app.Options{
			Config:  c,
			Log:     slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Started: func(clients []net.Addr, _ net.Addr) { started <- clients[0].String() },
		})
	}()
	select {
	case s.address = <-started:
		return func() error { cancel(); return <-ended }, nil
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("the product ended immediately: %w", err)
	}
}

// weather alternates periods with and without faults while clients send
// requests.
func (s *soak) weather(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	sending, stop := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	for i := range s.clients {
		c := &client{soak: s, number: i, random: rand.New(rand.NewPCG(s.seed, uint64(i)+1)), http: &http.Client{Transport: &http.Transport{}}}
		senders.Go(func() { c.run(sending) })
	}
	defer senders.Wait()
	defer stop()
	s.recover()
	s.ledger.silence(true)
	control, data := s.control(), s.data()
	all := append(append([]func(){}, control...), data...)
	for turn := 0; ctx.Err() == nil; turn++ {
		switch turn % 3 {
		case 0:
			s.storm(ctx, control, stormTime) // requests must succeed in spite of these faults
		case 1:
			s.ledger.silence(false)
			s.storm(ctx, data, stormTime)
		case 2:
			s.ledger.silence(false)
			s.storm(ctx, all, stormTime)
		}
		s.recover()
		s.ledger.silence(true)
		time.Sleep(calmTime)
	}
}

// recover waits until requests succeed again.
func (s *soak) recover() {
	c := &client{soak: s, number: -1, random: rand.New(rand.NewPCG(1, 1)), http: &http.Client{Transport: &http.Transport{}}}
	defer c.http.CloseIdleConnections()
	text := envelope(askFolder)
	s.ledger.promise("", emulator.BodySHA256([]byte(text), "soap"))
	var reason string
	for end := time.Now().Add(recoveryTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		_, reason = c.post(ctx, text)
		cancel()
		if reason == "" {
			return
		}
	}
	s.ledger.complain("%v after the last fault requests still fail: %s", recoveryTime, reason)
}

// account checks the ledger, the log and the number of goroutines at the end of
// the run. It records errors in the ledger.
func (s *soak) account(goroutines int) {
	s.ledger.balance(s.emu.Exchange().Subjects(mailbox, "drafts"))
	if n := s.log.leaks(); n > 0 {
		s.ledger.complain("%d lines of the log hold something secret", n)
	}
	left := 0
	for range 100 { // goroutines need some time to end
		if left = runtime.NumGoroutine() - goroutines; left <= 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if left > 0 {
		s.ledger.complain("%d goroutines were left behind", left)
	}
	fmt.Fprintf(s.out, "%d faults, %d certificates, %d tokens issued\n", s.faults, len(s.certs), s.emu.Entra().Issued())
	if s.ledger.succeeded() == 0 {
		s.ledger.complain("no request ever succeeded")
	}
}

// canaryLog looks for secrets in the product's log, line by line.
type canaryLog struct {
	secrets [][]byte
	keep    io.Writer // receives a copy of the log; may be nil

	mu    sync.Mutex
	found int
}

func (l *canaryLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range l.secrets {
		if bytes.Contains(line, secret) {
			l.found++
		}
	}
	if l.keep != nil {
		return l.keep.Write(line)
	}
	return len(line), nil
}

func (l *canaryLog) leaks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found
}
