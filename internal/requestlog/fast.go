package requestlog

import (
	"bytes"
	"strconv"
)

// maxInterned limits the number of strings that are kept for reuse.
const maxInterned = 50_000

// A decoder reads the usual lines of hmaproxy: one flat object whose keys are
// lower-case and whose strings are ASCII without escapes. It is several times
// as fast as encoding/json and allocates little, which a log of millions of
// lines needs. All other lines are read by encoding/json.
type decoder struct{ strings map[string]string }

// decode reads a line into l. It returns false, with l undefined, if
// encoding/json must read the line.
func (d *decoder) decode(line []byte, l *entry) bool {
	if len(line) < 2 || line[0] != '{' {
		return false
	}
	for rest := line[1:]; ; {
		key, after, ok := plainString(rest)
		if !ok || len(after) < 2 || after[0] != ':' || !isLowerKey(key) {
			return false
		}
		rest = after[1:]
		if rest[0] == '"' {
			var text []byte
			if text, rest, ok = plainString(rest); !ok || !d.setString(l, string(key), text) {
				return false
			}
		} else {
			end := bytes.IndexAny(rest, ",}")
			if end < 0 || !setWord(l, string(key), rest[:end]) {
				return false
			}
			rest = rest[end:]
		}
		switch {
		case len(rest) == 1 && rest[0] == '}':
			return true
		case len(rest) < 2 || rest[0] != ',':
			return false
		}
		rest = rest[1:]
	}
}

// plainString returns the first string in b without its quotes, and the bytes
// of b after that string. ok is false if b does not begin with a complete
// string, or if the string is not plain ASCII without escapes.
func plainString(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return b[1:i], b[i+1:], true
		case c == '\\' || c < ' ' || c >= 0x7f:
			return nil, nil, false
		}
	}
	return nil, nil, false
}

func isLowerKey(key []byte) bool {
	for _, c := range key {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(key) > 0
}

// setString sets the field with the given key to text. It returns false if text
// does not have the type of the field. It also returns false for the fields in
// which a container or journal format contains the whole line of hmaproxy as text.
func (d *decoder) setString(l *entry, key string, text []byte) bool {
	switch key {
	case "time":
		return l.Time.UnmarshalText(text) == nil
	case "id":
		l.ID = string(text) // not interned, because it is different in every line
	case "level":
		l.Level = d.intern(text)
	case "msg":
		l.Msg = d.intern(text)
	case "client":
		l.Client = d.intern(text)
	case "operation":
		l.Operation = d.intern(text)
	case "mailbox":
		l.Mailbox = d.intern(text)
	case "mailbox_form":
		l.MailboxForm = d.intern(text)
	case "method":
		l.Method = d.intern(text)
	case "user_agent":
		l.UserAgent = d.intern(text)
	case "reason":
		l.Reason = d.intern(text)
	case "audit":
		l.Audit = d.intern(text)
	case "fault":
		l.Fault = d.intern(text)
	case "version":
		l.Version = string(text)
	case "log", "message", "syslog_identifier", "status", "upstream", "bytes_in", "bytes_out", "duration_ms", "duration", "injected", "push", "count":
		return false
	}
	return true
}

// setWord sets a field whose value is a number, "true" or "false". It returns
// false if word is not such a value, if it does not have the type of the field,
// or if the key is unknown.
func setWord(l *entry, key string, word []byte) bool {
	n, isNumber := plainNumber(word)
	truth := string(word) == "true"
	isTruth := truth || string(word) == "false"
	switch key {
	case "status":
		l.Status = int(n)
	case "upstream":
		l.Upstream = int(n)
	case "bytes_in":
		l.BytesIn = n
	case "bytes_out":
		l.BytesOut = n
	case "duration":
		l.Duration = n
	case "count":
		l.Count = n
	case "duration_ms":
		return setMilliseconds(l, word)
	case "injected":
		l.Injected = truth
		return isTruth
	case "push":
		l.Push = truth
		return isTruth
	case "backoff_ms", "unknown_ids", "delay_ms", "timeout_ms", "entries", "allow_list_entries":
	case "replayed", "aborted":
		return isTruth
	default:
		return false
	}
	return isNumber
}

// plainNumber parses up to 18 digits without a leading zero. ok is false for any
// other text.
func plainNumber(word []byte) (n int64, ok bool) {
	if len(word) == 0 || len(word) > 18 || word[0] == '0' && len(word) > 1 {
		return 0, false
	}
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// setMilliseconds sets the duration to word, a number of milliseconds in digits
// with an optional fraction. It returns false for any other text.
func setMilliseconds(l *entry, word []byte) bool {
	whole, fraction, dotted := bytes.Cut(word, []byte("."))
	if _, ok := plainNumber(whole); !ok || dotted && len(fraction) == 0 {
		return false
	}
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(word), 64)
	l.DurationMS = f
	return err == nil
}

// intern returns text as a string. For equal texts it returns the same string,
// unless the text is long or too many strings are kept.
func (d *decoder) intern(text []byte) string {
	if s, ok := d.strings[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(d.strings) < maxInterned && len(s) <= 256 {
		d.strings[s] = s
	}
	return s
}
