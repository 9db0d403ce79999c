package config

import (
	"regexp"
	"strings"
)

// unknown returns what is wrong with the name of a variable that nobody has
// claimed; ok is false when it is none of this program's business.
func (l *loader) unknown(name string) (text string, ok bool) {
	upper := upperASCII(name)
	if !strings.HasPrefix(upper, "HMA_") || serviceLink.MatchString(name) {
		return "", false
	}
	if printable(name) != name {
		return "is the beginning of a name that holds other characters than letters, digits and underscores, or is very long; remove it", true
	}
	nearest := l.nearest(upper)
	switch {
	case nearest == "":
		return "is no variable of this program; hmaproxy -help lists them", true
	case nearest == upper:
		return "is not spelled in upper case; expected " + nearest, true
	}
	return "is no variable of this program; did you mean " + nearest + "?", true
}

// serviceLink matches what Kubernetes puts into every container of a namespace
// for services whose names begin with "hma".
var serviceLink = regexp.MustCompile(`^HMA_(.*_)?(SERVICE_HOST|SERVICE_PORT.*|PORT(_.*)?)$`)

// printable returns a name that may be shown. A line such as
// "HMA_SECRET:hunter2" is all name, and is cut down to its beginning.
func printable(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "HMA_"
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// otherNames leads from the terms of Microsoft's guide, and from those of
// similar programs, to this program's names.
var otherNames = map[string]string{
	"HMA_EWS_ENDPOINT":                 "HMA_EWS_URL",
	"HMA_EWS_URI":                      "HMA_EWS_URL",
	"HMA_EXCHANGE_URL":                 "HMA_EWS_URL",
	"HMA_URL":                          "HMA_EWS_URL",
	"HMA_AAD_RESOURCE_ID":              "HMA_RESOURCE_ID",
	"HMA_RESOURCE":                     "HMA_RESOURCE_ID",
	"HMA_AUDIENCE":                     "HMA_RESOURCE_ID",
	"HMA_SCOPE":                        "HMA_RESOURCE_ID",
	"HMA_TENANT":                       "HMA_TENANT_ID",
	"HMA_DIRECTORY_ID":                 "HMA_TENANT_ID",
	"HMA_CLIENT_ID":                    "HMA_APP_ID",
	"HMA_APPLICATION_ID":               "HMA_APP_ID",
	"HMA_HMA_APPLICATION_ID":           "HMA_APP_ID",
	"HMA_AUTHORITY":                    "HMA_AUTHORITY_HOST",
	"HMA_AUTHORITY_URL":                "HMA_AUTHORITY_HOST",
	"HMA_LOGIN_URL":                    "HMA_AUTHORITY_HOST",
	"HMA_KEY_VAULT_URL":                "HMA_KEY_VAULT_URI",
	"HMA_KEY_VAULT":                    "HMA_KEY_VAULT_URI",
	"HMA_KEY_VAULT_NAME":               "HMA_KEY_VAULT_URI",
	"HMA_VAULT_URL":                    "HMA_KEY_VAULT_URI",
	"HMA_KEY_VAULT_KEY_NAME":           "HMA_KEY_VAULT_CERT_NAME",
	"HMA_KEY_VAULT_KEYNAME":            "HMA_KEY_VAULT_CERT_NAME",
	"HMA_KEY_VAULT_SECRET_NAME":        "HMA_KEY_VAULT_CERT_NAME",
	"HMA_KEY_VAULT_CERTIFICATE":        "HMA_KEY_VAULT_CERT_NAME",
	"HMA_KEY_VAULT_CERTIFICATE_NAME":   "HMA_KEY_VAULT_CERT_NAME",
	"HMA_CERT_NAME":                    "HMA_KEY_VAULT_CERT_NAME",
	"HMA_KEY_VAULT_CLIENT_ID":          "HMA_KEY_VAULT_APP_ID",
	"HMA_KEY_VAULT_APPLICATION_ID":     "HMA_KEY_VAULT_APP_ID",
	"HMA_KEY_VAULT_SECRET":             "HMA_KEY_VAULT_CLIENT_SECRET",
	"HMA_KEY_VAULT_SECRET_FILE":        "HMA_KEY_VAULT_CLIENT_SECRET_FILE",
	"HMA_KEY_VAULT_APP_SECRET":         "HMA_KEY_VAULT_CLIENT_SECRET",
	"HMA_KEY_VAULT_APPLICATION_SECRET": "HMA_KEY_VAULT_CLIENT_SECRET",
	"HMA_CLIENT_SECRET":                "HMA_KEY_VAULT_CLIENT_SECRET",
	"HMA_CLIENT_SECRET_FILE":           "HMA_KEY_VAULT_CLIENT_SECRET_FILE",
	"HMA_CERTIFICATE_FILE":             "HMA_CERT_FILE",
	"HMA_CERT_PATH":                    "HMA_CERT_FILE",
	"HMA_PFX_FILE":                     "HMA_CERT_FILE",
	"HMA_CERTIFICATE_PASSWORD":         "HMA_CERT_PASSWORD",
	"HMA_POLL_INTERVAL":                "HMA_CERT_POLL_INTERVAL",
	"HMA_ALLOW_LIST":                   "HMA_ALLOWED_MAILBOXES",
	"HMA_ALLOW_LIST_FILE":              "HMA_ALLOWED_MAILBOXES_FILE",
	"HMA_ALLOWLIST":                    "HMA_ALLOWED_MAILBOXES",
	"HMA_MAILBOXES":                    "HMA_ALLOWED_MAILBOXES",
	"HMA_MAILBOX":                      "HMA_DEFAULT_MAILBOX",
	"HMA_OPERATIONS":                   "HMA_ALLOWED_OPERATIONS",
	"HMA_ADDRESS":                      "HMA_LISTEN",
	"HMA_LISTEN_ADDRESS":               "HMA_LISTEN",
	"HMA_HTTPS_PROXY":                  "HTTPS_PROXY",
	"HMA_NO_PROXY":                     "NO_PROXY",
}

// nearest returns the variable that somebody who wrote name most likely meant,
// or "" when none is near.
func (l *loader) nearest(name string) string {
	if known, ok := otherNames[name]; ok {
		return known
	}
	best, least := "", len(name)/4+1
	for _, v := range l.variables {
		if d := distance(name, v.name); d < least {
			best, least = v.name, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: how many insertions,
// deletions, substitutions and swaps of neighbours lead from a to b.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// upperASCII raises a-z only.
func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
