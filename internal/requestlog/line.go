package requestlog

import (
	"bytes"
	"encoding/json"
	"time"

	"hmaproxy/internal/lazyregexp"
)

// An entry contains those fields of a log line that are needed for reports. Log,
// Message and Identifier are fields of container and journal formats that wrap a
// log line as a string.
type entry struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Msg   string    `json:"msg"`

	ID          string  `json:"id"`
	Client      string  `json:"client"`
	Operation   string  `json:"operation"`
	Mailbox     string  `json:"mailbox"`
	MailboxForm string  `json:"mailbox_form"`
	Method      string  `json:"method"`
	UserAgent   string  `json:"user_agent"`
	Reason      string  `json:"reason"`
	Audit       string  `json:"audit"`
	Fault       string  `json:"fault"`
	Status      int     `json:"status"`
	Upstream    int     `json:"upstream"`
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	DurationMS  float64 `json:"duration_ms"`
	Duration    int64   `json:"duration"`
	Injected    bool    `json:"injected"`
	Push        bool    `json:"push"`

	Count   int64  `json:"count"`
	Version string `json:"version"`

	Log        string          `json:"log"`               // log line in Docker's format json-file
	Message    json.RawMessage `json:"MESSAGE"`           // log line in the format of journalctl -o json
	Identifier string          `json:"SYSLOG_IDENTIFIER"` // name of the program in the format of journalctl -o json
}

// A lineForm is the form of a line.
type lineForm int

const (
	ours    lineForm = iota // a line of hmaproxy
	cut                     // begins as JSON but is not valid JSON, usually because it is incomplete
	text                    // a log line about a request, in hmaproxy's text form for terminals
	foreign                 // anything else
)

// wrapped matches the prefixes that container platforms and journals add to a
// line. In a format that mixes the lines of several programs, the prefix must
// name hmaproxy. Otherwise a client of another program could make that program
// log a text that looks like a line of hmaproxy.
//
//	2026-11-27T20:00:00.1Z stderr F           CRI: containerd, CRI-O
//	hmaproxy-1  |                             docker compose logs
//	[pod/mail-7d9f/hmaproxy]                  kubectl logs --prefix
//	Nov 27 20:00:00 host hmaproxy[12]:        journalctl, syslog
//	2026-11-27T20:00:00+0100 host hmaproxy[12]:
var wrapped = lazyregexp.New(`^(?:` +
	`\d{4}-\d\d-\d\dT\S+ std(?:out|err) F ` +
	`|hmaproxy\S* +\| ` +
	`|\[\S+/hmaproxy\] ` +
	`|(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\S+) \S+ hmaproxy\[\d+\]: ` +
	`)`)

// terminal matches a log line about a request in hmaproxy's text form for
// terminals.
var terminal = lazyregexp.New(`^(?:\x1b\[[0-9;]*m)*\d\d:\d\d:\d\d\S* \S*(?:INF|WRN)\S* request `)

// parse parses a line, which must not be empty, into l.
func (d *decoder) parse(line []byte, l *entry) lineForm {
	if line[0] != '{' {
		if at := wrapped().FindIndex(line); at != nil && bytes.HasPrefix(line[at[1]:], []byte("{")) {
			return d.parseJSON(line[at[1]:], l)
		}
		if terminal().Match(line) {
			return text
		}
		return foreign
	}
	form := d.parseJSON(line, l)
	if form != foreign {
		return form
	}
	inner := l.inner()
	if inner == "" {
		return foreign
	}
	*l = entry{}
	if inner[0] != '{' {
		if terminal().MatchString(inner) {
			return text
		}
		return foreign
	}
	return d.parseJSON([]byte(inner), l)
}

// parseJSON parses an object. It returns cut if line is not valid JSON. It
// returns foreign if a field has an unexpected type, or if a field is missing
// that every line of hmaproxy has.
func (d *decoder) parseJSON(line []byte, l *entry) lineForm {
	if d.decode(line, l) {
		if l.Msg == "" || l.Level == "" || l.Time.IsZero() {
			return foreign
		}
		return ours
	}
	*l = entry{}
	if err := json.Unmarshal(line, l); err != nil {
		if !json.Valid(line) {
			return cut
		}
		return foreign // a field has an unexpected type
	}
	if l.Msg == "" || l.Level == "" || l.Time.IsZero() {
		return foreign
	}
	return ours
}

// inner returns the text of the log line inside l, if l is in the JSON format of
// a container platform or of the systemd journal. Otherwise it returns "".
func (l *entry) inner() string {
	if l.Log != "" {
		return string(bytes.TrimSpace([]byte(l.Log)))
	}
	if l.Identifier != "hmaproxy" {
		return ""
	}
	var message string
	if json.Unmarshal(l.Message, &message) != nil { // the field is missing, or an array of bytes
		return ""
	}
	return string(bytes.TrimSpace([]byte(message)))
}
