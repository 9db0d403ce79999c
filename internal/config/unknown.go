package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/nearest"
)

// A misspelt name is an error, because an allow-list under a misspelt name
// would have no effect. The rules of this file find names that were meant for
// this program. The rules must accept what platforms, shells and other programs
// put into an environment:
//
//   - HMA or HMAPROXY as a word of its own is this program's name. A word ends
//     at every character that is not a letter. So HMAC_SECRET and ASTHMA_DB are
//     variables of other programs.
//   - A setting without its prefix (ALLOWED_MAILBOXES) was meant for this
//     program, unless other programs commonly have the same name (LOG_LEVEL,
//     see [commonNames]). In a file of -env-file there is no such exception.
//   - Names that platforms derive from names of services and settings belong to
//     the platforms; see [foreign].

// checkUnknown reports a variable that this program does not know but that was
// intended for this program. known holds the values of the known variables.
func checkUnknown(name, value string, known map[string]string, problems *problemList) {
	if foreign(name, value, known) {
		return
	}
	names := settingNames(variables())
	setting := names.assignment(value)
	text := "holds a whole setting in its value; write %s=value as a setting of its own"
	if setting == "" {
		setting, text = names.meant(name)
	}
	if text == "" {
		return
	}
	if setting != "" {
		text = fmt.Sprintf(text, setting)
	}
	if isPlainName(name) {
		problems.fault(name, text)
		return
	}
	// The name is not shown, because the name may be a whole line with a secret
	// in it.
	if setting == "" {
		problems.addUnnamed("holds a name with HMA in it that has other characters than letters, digits and underscores, or is very long; remove or rename it")
		return
	}
	problems.addUnnamed("holds a name that resembles " + setting + " and is not spelled exactly so; expected " + setting + " alone as the name, without other characters, visible or not")
}

// settingNames are the names of this program's settings.
type settingNames []variable

// The method "meant" examines the name of an unknown variable. It returns the
// setting that was probably meant, and a text for the user. The text contains a
// %s for the setting, unless setting is "". If the name was not intended for
// this program, the text is "".
func (n settingNames) meant(name string) (setting, text string) {
	folded := fold(name)
	setting = n.nearest(folded)
	switch {
	case hmaWord().MatchString(folded):
	case n.withoutPrefix(folded) != "":
		if setting = n.withoutPrefix(folded); commonNames[strings.TrimPrefix(setting, prefix)] {
			return "", ""
		}
		return setting, "lacks the prefix HMA_; expected %s"
	case !strings.HasPrefix(setting, prefix) || !n.resembles(folded, setting):
		return "", ""
	}
	switch {
	case setting == "":
		return "", "is not a setting of this program, and HMA in a name stands for it; \"hmaproxy help settings\" lists them"
	case setting == upperASCII(name):
		return setting, "is not spelled in upper case; expected %s"
	}
	return setting, "is not a setting of this program; did you mean %s?"
}

// resembles reports whether a folded name (see fold) is probably a misspelling
// of a setting. It recognises missing underscores; a typing mistake in the
// prefix, such as HAM_; and, for long names, a missing prefix with a typing
// mistake in the rest. The name must not contain HMA as a word.
func (n settingNames) resembles(folded, setting string) bool {
	bare := strings.TrimPrefix(setting, prefix)
	if strings.HasSuffix(squeeze(folded), squeeze(setting)) || squeeze(folded) == "HMAPROXY"+squeeze(bare) {
		return true
	}
	if commonNames[bare] {
		return false
	}
	if first, rest, ok := strings.Cut(folded, "_"); ok && nearest.Distance(first, "HMA") <= 1 && nearest.Distance(rest, bare) <= len(bare)/10 {
		return true
	}
	if len(bare) < 12 {
		return false
	}
	return nearest.Distance(folded, bare) <= len(bare)/8 || nearest.Distance(folded, setting) <= len(bare)/8
}

// withoutPrefix returns the setting whose name without the prefix HMA_ is the
// argument "folded". Only letters and digits are compared, so separators do not
// matter. It returns "" if there is no such setting.
func (n settingNames) withoutPrefix(folded string) string {
	for _, v := range n {
		if bare, ok := strings.CutPrefix(v.name, prefix); ok && squeeze(bare) == squeeze(folded) {
			return v.name
		}
	}
	return ""
}

// inEnvFile returns the setting that a name without HMA_ means in a file of
// -env-file, or "" if the name means no setting. Such a file is written for
// this program, so inEnvFile recognises more names than are recognised in an
// environment. It recognises a setting without its prefix; a setting with
// another prefix, if the rest is long enough to be distinctive; and one of
// [otherNames] without its prefix.
func (n settingNames) inEnvFile(folded string) string {
	if hmaWord().MatchString(folded) {
		return ""
	}
	if setting := n.withoutPrefix(folded); setting != "" {
		return setting
	}
	for _, v := range n {
		bare, ok := strings.CutPrefix(v.name, prefix)
		if ok && len(bare) >= 12 && !commonNames[bare] && strings.HasSuffix(folded, "_"+bare) {
			return v.name
		}
	}
	if setting := otherNames[prefix+folded]; strings.HasPrefix(setting, prefix) {
		return setting
	}
	return ""
}

// The method "within" returns the first setting that value assigns. The
// assignment may be a part of value, as in "UTC HMA_APP_ID=…". It returns "" if
// value assigns no setting.
func (n settingNames) within(value string) string {
	if setting := n.assignment(value); setting != "" {
		return setting
	}
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(" \t;,&|\"'", r) }) {
		if hmaWord().MatchString(fold(part)) {
			if setting := n.assignment(part); setting != "" {
				return setting
			}
		}
	}
	return ""
}

// assignment returns the setting that a value such as "HMA_APP_ID=…" assigns. The
// name may be misspelt. It returns "" if the value assigns no setting.
// Values of several lines are ignored: some CI systems keep the content of
// files in variables.
func (n settingNames) assignment(value string) string {
	name, _, ok := strings.Cut(strings.TrimLeft(value, `"'`+space), "=")
	name = strings.TrimRight(name, `"'`+space)
	if !ok || strings.Contains(value, "\n") || !isPlainName(name) {
		return ""
	}
	if setting := variableNamed(name).name; strings.HasPrefix(setting, prefix) {
		return setting
	}
	setting, _ := n.meant(name)
	return setting
}

// foreign reports whether a platform derived the name from a service or a
// setting. It knows Kubernetes' service links, Nomad's addresses, Bash's
// exported functions, and copies of settings with a prefix, such as Azure App
// Service's APPSETTING_HMA_APP_ID. A copy must have the value of the setting.
func foreign(name, value string, known map[string]string) bool {
	if serviceLink().MatchString(name) || strings.HasPrefix(name, "NOMAD_") || strings.HasPrefix(name, "BASH_FUNC_") {
		return true
	}
	for setting, other := range known {
		if strings.HasSuffix(name, "_"+setting) && value == other {
			return true
		}
	}
	return false
}

// settingIn returns the setting whose name a line contains, in any letter case
// and with any separators. A long name may lack its prefix. If the line
// contains several settings, settingIn returns the longest name. It returns ""
// if the line contains no setting.
func (n settingNames) settingIn(line string) string {
	line = squeeze(fold(line))
	var found string
	for _, v := range n {
		bare := squeeze(strings.TrimPrefix(v.name, prefix))
		known := strings.Contains(line, squeeze(v.name)) || len(bare) >= 12 && strings.Contains(line, bare)
		if known && strings.HasPrefix(v.name, prefix) && len(v.name) > len(found) {
			found = v.name
		}
	}
	return found
}

const prefix = "HMA_"

var (
	// hmaWord matches a folded name in which HMA or HMAPROXY is a word of its own.
	hmaWord = lazyregexp.New(`(^|[^A-Z0-9])HMA(PROXY)?([^A-Z]|$)`)

	// serviceLink matches the variables that Kubernetes sets in every container
	// of a namespace for services whose names have a part "hma" or "hmaproxy".
	serviceLink = lazyregexp.New(`^([A-Z0-9]+_)*HMA(PROXY)?_(.*_)?(SERVICE_HOST|SERVICE_PORT.*|PORT(_.*)?)$`)

	plainName = lazyregexp.New(`^[A-Za-z0-9_]+$`)
)

// isPlainName reports whether an error may show a name. A long name, or a name
// with other characters than letters, digits and underscores, may contain a
// secret.
func isPlainName(name string) bool { return len(name) <= maxPlainName && plainName().MatchString(name) }

// commonNames are settings without their prefix whose names other programs use
// too. This program ignores them in the process environment. That is safe: a
// setting that was intended and is ignored is either required, and then
// reported as missing, or protects no mailbox.
var commonNames = map[string]bool{
	"ADMIN_LISTEN": true, "APP_AUTH": true, "APP_ID": true, "AUTHORITY_HOST": true, "AUTODISCOVER": true, "CA_FILE": true,
	"CERT_FILE": true, "CERT_PASSWORD": true, "CERT_PASSWORD_FILE": true, "CERT_STORE": true, "CERT_SUBJECT": true, "CERT_THUMBPRINT": true,
	"EWS_URL": true, "EXPECT_CONTINUE": true, "FORWARD_HEADERS": true, "HOST_NAMES": true, "KEY_MODE": true,
	"KEY_VAULT_APP_ID": true, "KEY_VAULT_AUTH": true, "KEY_VAULT_CERT_NAME": true, "KEY_VAULT_CLIENT_SECRET": true,
	"KEY_VAULT_CLIENT_SECRET_FILE": true, "KEY_VAULT_TENANT_ID": true, "KEY_VAULT_URI": true,
	"LISTEN": true, "LOG_FILE": true, "LOG_FORMAT": true, "LOG_LEVEL": true, "RESOURCE_ID": true,
	"SHUTDOWN_DELAY": true, "SHUTDOWN_TIMEOUT": true, "TENANT_ID": true, "TLS_CERT_FILE": true, "TLS_COMPATIBILITY": true, "TLS_KEY_FILE": true,
}

// fold returns a name in the form in which names are compared. The result is in
// upper case. Full-width letters and lookAlikes are replaced by the letters that
// they resemble, and invisible characters are removed.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) {
			return -1
		}
		if '！' <= r && r <= '～' {
			r -= '！' - '!'
		}
		if i := slices.Index(lookAlikes, r); i >= 0 {
			r = latinLookAlikes[i]
		}
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, name)
}

// lookAlikes are letters that resemble one of the letters A to Z or a to z.
// latinLookAlikes has the letters that they resemble, at the same indexes.
var (
	lookAlikes      = []rune("АВЕЅІЈКМНОРСТУХаеіјорѕсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧοı\u212a")
	latinLookAlikes = []rune("ABESIJKMHOPCTYXAEIJOPSCYXABEZHIKMNOPTYXOIK")
)

// squeeze returns the letters and digits of a folded name.
func squeeze(folded string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, folded)
}

// nearest returns the setting that a folded name most likely means, or "" if no
// setting is similar.
func (n settingNames) nearest(folded string) string {
	words := strings.Join(strings.FieldsFunc(folded, func(r rune) bool { return squeeze(string(r)) == "" }), "_")
	name := prefix + strings.TrimPrefix(hmaPrefix().ReplaceAllString(words, ""), "_")
	if known, ok := otherNames[name]; ok {
		return known
	}
	all := make([]string, len(n))
	for i, v := range n {
		all[i] = v.name
	}
	if best, distance := nearest.Of(name, slices.Values(all)); distance <= len(name)/4 {
		return best
	}
	longest := ""
	for _, known := range all {
		if strings.Contains(squeeze(folded), squeeze(known)) && len(known) > len(longest) {
			longest = known
		}
	}
	return longest
}

// hmaPrefix matches a folded name of a variable from its beginning to the end of this
// program's name: HMA, HMAPROXY or HMA_PROXY.
var hmaPrefix = lazyregexp.New(`^([A-Z0-9]+_)*?HMA(_?PROXY)?(_|$)`)

// otherNames maps the terms of Microsoft's guide, and of similar programs, to
// this program's names.
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

// upperASCII converts a-z to upper case and leaves other characters unchanged.
func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
