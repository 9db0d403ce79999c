package config

import (
	"encoding/base64"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"hmaproxy/internal/lazyregexp"
)

// alteration returns a text that says how a client secret was obviously altered
// before it reached hmaproxy, "" if the secret shows no alteration. The text holds
// no part of the secret. [Load] accepts the secret nevertheless, because only Entra
// ID knows the form of its secrets; the text is then one of [Config.Warnings].
func alteration(secret string) string {
	switch lower := strings.ToLower(secret); {
	case secret == "":
		return ""
	case guid().MatchString(secret):
		return "is a GUID: the id of a client secret looks like that, its value does not"
	case wholeLine().MatchString(secret):
		return "is a whole line NAME=value; expected the value alone"
	case strings.Trim(secret, quotationMarks) != secret:
		return "begins or ends with a quotation mark, which is part of the value here; write the value without"
	case reference().MatchString(secret):
		return "is a reference to a variable that was not replaced by its value; nothing is expanded here"
	case strings.HasPrefix(secret, "#"), strings.Contains(secret, " #"), strings.Contains(secret, "\t#"):
		return "holds a comment, which is part of the value here; write the comment on a line of its own"
	case placeholder().MatchString(lower), strings.Trim(lower, "x*.-…") == "":
		return "is a placeholder; expected the value that Entra ID showed when the secret was made"
	case isEncoded(secret):
		return "is a client secret in base64; expected the secret itself (Kubernetes encodes what is in data, and not what is in stringData)"
	case strings.ContainsFunc(secret, neverInSecret):
		return "holds a character that no client secret of Entra ID has; copy the value again, whole and alone"
	}
	return ""
}

const quotationMarks = "\"'`“”„‘’«»"

var (
	wholeLine   = lazyregexp.New(`(?i)^(export\s+)?[A-Z_][A-Z0-9_.-]*(SECRET|PASSWORD|HMA_)[A-Z0-9_.-]*\s*[=:]|^(export\s+)?HMA_[A-Z0-9_]*\s*[=:]`)
	reference   = lazyregexp.New(`^\$[A-Za-z_]|[$#]\{|\$\(|\{\{|^%[A-Za-z_]\w*%$|^<%|^@Microsoft\.KeyVault\(`)
	placeholder = lazyregexp.New(`^<.*>$|^\[.*\]$|replace[-_ ]?(me|this|with)|change[-_ ]?(me|this)|^(your|my|the|enter|insert|put)[-_ ].*|^(client[-_ ]?)?(secret|password|value|placeholder|dummy|todo|none|null|example|test)[-_ ]?(value|here|id)?$|secret'?s? value|placeholder`)
	entraSecret = lazyregexp.New(`^[A-Za-z0-9]{3}[0-9]Q~[A-Za-z0-9._~-]{31,34}$`)
)

// isEncoded reports whether secret is the base64 encoding of a text in the form
// of Entra ID's client secrets.
func isEncoded(secret string) bool {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		if text, err := encoding.DecodeString(secret); err == nil && entraSecret().MatchString(strings.TrimSpace(string(text))) {
			return true
		}
	}
	return false
}

// neverInSecret reports whether the client secrets of Entra ID, past and
// present, never contain r.
func neverInSecret(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsPrint(r) || strings.ContainsRune(" \"'`$%<>{}|\\^#,;&()", r)
}

// ExposesSecret reports whether the entries of a file contain the value of a
// secret and every user of the machine may read the file. On Windows it returns
// false, because access lists decide on Windows, and mode does not show access
// lists.
func ExposesSecret(entries []string, mode fs.FileMode) bool {
	if runtime.GOOS == "windows" || mode.Perm()&0o004 == 0 {
		return false
	}
	values := split(entries)
	return slices.ContainsFunc(variables(), func(v variable) bool { return v.secret && values[v.name] != "" })
}
