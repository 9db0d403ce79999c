package sidecar

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// scenarioLog keeps what the product logs.
type scenarioLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *scenarioLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// text returns everything.
func (l *scenarioLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// String returns the end of what is not about single requests, for people.
func (l *scenarioLog) String() string {
	lines := slices.Collect(strings.Lines(l.text()))
	lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Contains(s, `"msg":"request"`) })
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// A logLine is one line.
type logLine struct {
	text string
	Time time.Time
	Msg  string
	// Level is "ERROR", say.
	Level string
}

func (l logLine) says(parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l.text, p) })
}

// lines returns the lines with that message, oldest first.
func (l *scenarioLog) lines(message string) []logLine {
	var list []logLine
	for text := range strings.Lines(l.text()) {
		line := logLine{text: text}
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == message {
			list = append(list, line)
		}
	}
	return list
}
