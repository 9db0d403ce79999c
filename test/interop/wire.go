package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// compare compares the traffic on the two sides of the product.
func (w *environment) compare() error {
	w.settle()
	front, back := w.relay.messages(), w.tap.visits()
	if len(front) == 0 {
		return errors.New("wire: the client sent no request through the product")
	}
	errs := []error{comparePairs(front, back, w.scenario), checkRepetitions(front, w.scenario.most)}
	for i, v := range back {
		if err := checkVisit(v, front); err != nil {
			errs = append(errs, fmt.Errorf("wire: visit %d of Exchange: %w", i+1, err))
		}
	}
	return errors.Join(append(errs, w.checkMailboxes())...)
}

// checkRepetitions counts the requests that the product refused or failed. It
// returns an error if there are more of them than the limit "most" allows. If
// the limit is 0, any number is allowed. A client must report a refusal instead
// of repeating the request.
func checkRepetitions(front []message, most int) error {
	n := 0
	for _, m := range front {
		if m.responseHeader.Get("X-Hmaproxy-Error") != "" {
			n++
		}
	}
	if most > 0 && n > most {
		return fmt.Errorf("wire: the client was refused %d times", n)
	}
	return nil
}

// settle waits until all connections of the client have ended. A client may keep
// a pool of connections open, so settle gives up after a short time. While a
// request has no response, settle waits longer.
func (w *environment) settle() {
	const step = 20 * time.Millisecond
	for waited := time.Duration(0); !w.relay.ended() && waited < time.Minute; waited += step {
		if waited >= 300*time.Millisecond && !slices.ContainsFunc(w.relay.messages(), func(m message) bool { return m.status == 0 && !m.left }) {
			return
		}
		time.Sleep(step)
	}
}

// comparePairs compares each message of the client with its counterpart: the
// visit to Exchange whose response the client received. A message or a visit
// without a counterpart is an error, unless the scenario allows it or the client
// ended the connection before the response came.
func comparePairs(front []message, back []*visit, s scenario) error {
	var errs []error
	reached, left := make([]int, len(back)), 0
	for i, m := range front {
		if m.left {
			left++ // Exchange may have received the request
			continue
		}
		n, err := strconv.Atoi(m.responseHeader.Get(tapHeader))
		if err == nil && 0 < n && n <= len(back) {
			reached[n-1]++
			err = comparePair(m, back[n-1], s.finds)
		} else {
			err = compareOwn(m, s)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("wire: request %d of the client (%s %s): %w", i+1, m.method, m.target, err))
		}
	}
	for i, n := range reached {
		switch {
		case n == 1 || back[i].mayBeUnseen(s):
		case n == 0 && left > 0:
			left--
		default:
			errs = append(errs, fmt.Errorf("wire: response %d of Exchange (%d) reached the client %d times", i+1, back[i].status, n))
		}
	}
	return errors.Join(errs...)
}

// mayBeUnseen reports whether the client may have got a response of the product
// instead of Exchange's, because Exchange's response was a failure.
func (v *visit) mayBeUnseen(s scenario) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	ews := v.status == http.StatusOK && strings.HasPrefix(v.responseHeader.Get("Content-Type"), "text/xml")
	return v.status == http.StatusUnauthorized && s.replays || s.broken && !ews
}

// compareOwn checks a response of the product itself.
func compareOwn(m message, s scenario) error {
	reason := m.responseHeader.Get("X-Hmaproxy-Error")
	switch {
	case m.status == 0:
		return errors.New("no response")
	case m.status == http.StatusOK && (m.method == http.MethodGet || m.method == http.MethodHead):
		return nil // plain text in response to a GET of the endpoint
	case slices.Contains(s.own, reason):
		return nil
	}
	return fmt.Errorf("the product itself responded with %d %q", m.status, reason)
}

// comparePair compares a request and its response on the two sides. secure says
// that the client used TLS.
func comparePair(m message, v *visit, secure bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	if m.method != v.method {
		errs = append(errs, fmt.Errorf("it reached Exchange as %s", v.method))
	}
	sent, came := fromBody(m.body), fromBody(v.body.Bytes())
	if m.method == http.MethodPost && !bytes.Equal(sent, came) && (v.whole || !bytes.HasPrefix(sent, came)) {
		errs = append(errs, errors.New("the Body changed on the way to Exchange"))
	}
	if m.status != v.status {
		errs = append(errs, fmt.Errorf("status %d became %d", v.status, m.status))
	}
	if m.cut && !bytes.HasPrefix(v.content.Bytes(), m.content) || !m.cut && !bytes.Equal(v.content.Bytes(), m.content) {
		errs = append(errs, errors.New("the response changed on the way to the client"))
	}
	return errors.Join(append(errs, compareResponseHeader(m.responseHeader, v.responseHeader, secure))...)
}

var bodyTag = regexp.MustCompile(`<([A-Za-z0-9_.-]+:)?Body[\s/>]`)

// fromBody returns the part of an envelope that begins at "<Body", or nil if the
// envelope has no Body.
func fromBody(envelope []byte) []byte {
	if at := bodyTag.FindIndex(envelope); at != nil {
		return envelope[at[0]:]
	}
	return nil
}

// connectionHeaders are header fields that belong to one connection.
var connectionHeaders = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Date", "Trailer"}

// compareResponseHeader compares the response headers, except for the fields in
// connectionHeaders. The product may remove challenges and header fields for
// browsers. It must change cookies as localCookie does. No other difference is
// allowed.
func compareResponseHeader(got, sent http.Header, secure bool) error {
	want := http.Header{}
	for name, values := range sent {
		switch {
		case slices.Contains(connectionHeaders, name), name == "Www-Authenticate", name == "Strict-Transport-Security",
			name == "Alt-Svc", strings.HasPrefix(name, "Access-Control-"):
		case name == "Set-Cookie":
			for _, c := range values {
				want.Add(name, localCookie(c, secure))
			}
		default:
			want[name] = values
		}
	}
	var errs []error
	for name := range want {
		if !sameValues(name, want[name], got[name]) {
			errs = append(errs, fmt.Errorf("header %s: %q became %q", name, sent[name], got[name]))
		}
	}
	for name := range got {
		if _, known := want[name]; !known && !slices.Contains(connectionHeaders, name) {
			errs = append(errs, fmt.Errorf("header %s was added", name))
		}
	}
	return errors.Join(errs...)
}

func sameValues(name string, want, got []string) bool {
	if name == "Set-Cookie" {
		plain := make([]string, len(got))
		for i, c := range got {
			plain[i] = sortedCookie(c)
		}
		got = plain
	}
	return slices.Equal(want, got)
}

// localCookie returns the cookie c as the product must send it to the client:
// without Domain, and with the path /. secure is true if the client used TLS;
// otherwise the attribute Secure is removed.
func localCookie(c string, secure bool) string {
	parts := strings.Split(sortedCookie(c), "; ")
	parts = slices.DeleteFunc(parts, func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		return p != parts[0] && (name == "secure" && !secure || name == "domain" || name == "path")
	})
	return sortedCookie(strings.Join(append(parts, "path=/"), "; "))
}

// sortedCookie returns the value of Set-Cookie with its attributes sorted and
// their names in lower case.
func sortedCookie(c string) string {
	parts := strings.Split(c, ";")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
		if name, value, valued := strings.Cut(parts[i], "="); i > 0 && valued {
			parts[i] = strings.ToLower(name) + "=" + value
		} else if i > 0 {
			parts[i] = strings.ToLower(name)
		}
	}
	slices.Sort(parts[1:])
	return strings.Join(parts, "; ")
}

// checkVisit checks one request that Exchange received: it must have one bearer
// token and none of the client's credentials.
func checkVisit(v *visit, front []message) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	values := v.header.Values("Authorization")
	if len(values) != 1 || !strings.HasPrefix(values[0], "Bearer eyJ") {
		return fmt.Errorf("%d Authorization headers, or no bearer", len(values))
	}
	var secrets []string
	for _, m := range front {
		for _, a := range m.header.Values("Authorization") {
			_, credential, _ := strings.Cut(a, " ")
			secrets = append(secrets, credential)
		}
	}
	secrets = append(secrets, password, base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
	var head strings.Builder
	v.header.Write(&head)
	for _, s := range secrets {
		if s != "" && (strings.Contains(head.String(), s) || bytes.Contains(v.body.Bytes(), []byte(s))) {
			return errors.New("it holds the client's credentials")
		}
	}
	return nil
}

// checkMailboxes checks in the services' record which mailbox each operation
// impersonated.
func (w *environment) checkMailboxes() error {
	allowed := w.scenario.mailboxes
	if allowed == nil {
		allowed = []string{alice}
	}
	for _, h := range w.services.Exchange().Hops() {
		if h.Executed && (!slices.Contains(allowed, h.Mailbox) || h.MailboxSeen != h.Mailbox) {
			return fmt.Errorf("%s acted as %q, and reads as %q", h.Operation, h.Mailbox, h.MailboxSeen)
		}
	}
	return nil
}
