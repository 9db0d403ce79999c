package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

const (
	messages = "http://schemas.microsoft.com/exchange/services/2006/messages"
	// The constant event is sent at every beat. The constant last is sent after the
	// last event.
	event = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><m:GetStreamingEventsResponse xmlns:m="` + messages + `"/></Body></Envelope>`
	last  = `<!-- closed -->`
)

// serve runs the emulated Exchange. It also runs the emulated services for the
// token. It writes the files for hmaproxy into dir, prints hmaproxy's settings,
// and does not return.
func (p plan) serve(out io.Writer, dir string) error {
	e, err := emulator.New(emulator.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	config, err := e.TLSConfig()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, e.CAPEM(), 0o600); err != nil {
		return err
	}
	env := []string{"HMA_CA_FILE=" + ca}
	for name, value := range e.Env() {
		if name == "HMA_EWS_URL" {
			value = "https://" + l.Addr().String() + "/EWS/Exchange.asmx"
		}
		env = append(env, name+"="+value)
	}
	if err := json.NewEncoder(out).Encode(env); err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(p.stream), ErrorLog: log.New(io.Discard, "", 0)}
	return server.Serve(tls.NewListener(l, config))
}

func (p plan) stream(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	tick := time.NewTicker(p.beat)
	defer tick.Stop()
	for range p.events() {
		select {
		case <-tick.C:
			_, _ = io.WriteString(w, event)
			_ = rc.Flush()
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, last)
}

// watch opens all streams through the hmaproxy at address and reads them to their
// ends. It prints the number of complete streams and of events, and returns an
// error if a stream was lost.
func (p plan) watch(address string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: p.streams, DisableCompression: true}
	client := &http.Client{Transport: transport}
	var open, whole, events atomic.Int64
	var first sync.Once
	var all sync.WaitGroup
	started := time.Now()
	const ramp = 10 * time.Second // time in which all clients connect, because 5,000 must not connect at the same moment
	for i := range p.streams {
		time.Sleep(time.Until(started.Add(ramp * time.Duration(i) / time.Duration(p.streams))))
		all.Go(func() {
			n, err := p.one(client, address, func() { open.Add(1) })
			events.Add(int64(n))
			if err != nil {
				first.Do(func() { fmt.Println("the first lost stream:", err) })
				return
			}
			whole.Add(1)
		})
	}
	time.Sleep(time.Second)
	fmt.Printf("%d of %d streams open after %v\n", open.Load(), p.streams, time.Since(started).Round(time.Second))
	all.Wait()
	fmt.Printf("%d streams came to their proper end after %v, %d lost; %d of %d events came\n",
		whole.Load(), p.duration, int64(p.streams)-whole.Load(), events.Load(), p.streams*p.events())
	if whole.Load() != int64(p.streams) {
		return errors.New("streams were lost")
	}
	return nil
}

// The method "one" opens a stream, calls the function opened, reads the stream to
// its end and returns the number of events. It returns an error if an event or the
// proper end is missing.
func (p plan) one(client *http.Client, address string, opened func()) (events int, err error) {
	body := ewstest.Envelope("alice@contoso.com", `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:SubscriptionIds>`+
		`<m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`)
	resp, err := client.Post("http://"+address+"/EWS/Exchange.asmx", "text/xml", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("got %s %s", resp.Status, resp.Header.Get("X-Hmaproxy-Error"))
	}
	opened()
	text, err := io.ReadAll(resp.Body)
	events = strings.Count(string(text), event)
	if err == nil && (events != p.events() || !strings.HasSuffix(string(text), last)) {
		err = fmt.Errorf("%d events, %d bytes", events, len(text))
	}
	return events, err
}
