package app

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// testLog keeps what the product logs.
type testLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns the log since the previous call of take.
func (l *testLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// text returns the log since the last call of take. Unlike take, it keeps this
// log.
func (l *testLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// String returns the end of the log without the lines of single requests, for
// failure messages.
func (l *testLog) String() string {
	lines := slices.Collect(strings.Lines(l.text()))
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Contains(s, `"msg":"request"`) })
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// A logLine is one line of the product's log.
type logLine struct {
	text string
	Time time.Time
	Msg  string
	// Level is a level such as "ERROR".
	Level string
}

func (l logLine) says(parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l.text, p) })
}

// lines returns the lines with the given message, oldest first.
func (l *testLog) lines(message string) []logLine {
	var list []logLine
	for text := range strings.Lines(l.text()) {
		line := logLine{text: text}
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == message {
			list = append(list, line)
		}
	}
	return list
}
