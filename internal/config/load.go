package config

import (
	"crypto/fips140"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load parses an environment: entries "NAME=value", as [os.Environ] returns
// them. It reads the files that the settings name with readFile, which is
// [ReadAtStart] in production. If a name occurs more than once, the last entry
// is valid, as in os/exec. So
//
//	Load(append(fromEnvFile, os.Environ()...), ReadAtStart)
//
// gives the environment precedence over a file.
//
// White space around a value is not part of it. A variable that is set but
// empty is an error, except HTTPS_PROXY and NO_PROXY, which other programs
// share. An unknown name that was intended for this program is an error too: a
// name with HMA or HMAPROXY as a word, the name of a setting without its
// prefix, and names that resemble these.
//
// The error is a [*Problems], which lists every mistake and shows no value. The
// Config is then nil.
func Load(environ []string, readFile func(string) ([]byte, error)) (*Config, error) {
	return loadOn(platform{runtime.GOOS, fips140.Enforced()}, environ, readFile)
}

// A platform describes the system on which the process runs.
type platform struct {
	system string // a value of runtime.GOOS
	fips   bool   // FIPS 140-3 is enforced: GODEBUG=fips140=only
}

// loadOn is Load with an explicit platform.
func loadOn(p platform, environ []string, readFile func(string) ([]byte, error)) (*Config, error) {
	problems := &problemList{}
	given := collect(environ, problems)
	config := parse(given, problems)
	r := &rules{p, readFile, given, &config, problems}
	r.check()
	if all := problems.sorted(); len(all) > 0 {
		return nil, &Problems{all}
	}
	complete(&config, given)
	return &config, nil
}

// LoadAdmin reads HMA_ADMIN_LISTEN as [Load] does and ignores all other
// settings, because a probe has no secrets and must not fail when they are
// missing. The error is a [*Problems].
func LoadAdmin(environ []string) (AdminAddress, error) {
	const name = "HMA_ADMIN_LISTEN"
	v := variableNamed(name)
	value, ok := split(environ)[name]
	if !ok {
		value = v.fallback
	}
	problem := v.problem(value)
	var address AdminAddress
	if problem == "" {
		if err := address.UnmarshalText([]byte(value)); err != nil {
			problem = flawOf(err)
		}
	}
	if problem != "" {
		return AdminAddress{}, &Problems{[]Problem{{Variable: name, Text: problem}}}
	}
	return address, nil
}

// CheckValues reports the HMA_ settings whose values [Load] refuses, whatever
// the other settings and the files are. It does not report missing settings and
// unknown names, because another process may have other variables. The error is
// nil or a [*Problems].
func CheckValues(environ []string) error {
	problems := &problemList{}
	given := collect(environ, problems)
	parse(given, problems)
	wrong := slices.DeleteFunc(problems.sorted(), func(p Problem) bool {
		return !given.set[p.Variable] || !strings.HasPrefix(p.Variable, prefix)
	})
	if len(wrong) == 0 {
		return nil
	}
	return &Problems{wrong}
}

// Check returns an error if the value does not have the form of the variable.
// The value must not have white space around it. Check reads no file and does
// not use other variables. An obviously altered secret is an error too, because
// the person who enters the secret can correct it. The error holds no part of
// the value.
func Check(name, value string) error {
	v := variableNamed(name)
	if problem := v.problem(value); problem != "" {
		return flaw(problem)
	}
	field := reflect.New(reflect.TypeFor[Config]().Field(v.index).Type)
	if name == "HMA_ALLOWED_MAILBOXES" && value == everyMailbox {
		return nil
	}
	if v.secret {
		if altered := alteration(value); altered != "" {
			return flaw(altered)
		}
	}
	var err error
	switch field := field.Interface().(type) {
	case encoding.TextUnmarshaler:
		err = field.UnmarshalText([]byte(value))
	case *bool:
		_, err = parseBool(value)
	case *time.Duration:
		_, err = parseDuration(value)
	}
	if err != nil {
		return flaw(flawOf(err))
	}
	return nil
}

// An environment holds the settings in a process environment.
type environment struct {
	values  map[string]string // settings in text form, without faulty settings
	set     map[string]bool   // settings that the environment has, including faulty and empty settings
	every   bool              // HMA_ALLOWED_MAILBOXES=*
	unknown map[string]string // variables that are not settings
}

// collect selects the settings of an environment. It reports unknown variables,
// settings that are empty or in quotes, and dangerous debugging variables.
func collect(environ []string, problems *problemList) environment {
	all := split(environ)
	preferLowerCase(all, "HTTPS_PROXY")
	preferLowerCase(all, "NO_PROXY")
	e := environment{values: map[string]string{}, set: map[string]bool{}}
	for _, v := range variables() {
		value, ok := all[v.name]
		if !ok {
			continue
		}
		delete(all, v.name)
		e.set[v.name] = true
		switch problem := v.problem(value); {
		case problem != "":
			problems.fault(v.name, problem)
		case v.name == "HMA_ALLOWED_MAILBOXES" && value == everyMailbox:
			e.every = true
		default:
			e.values[v.name] = value
		}
	}
	e.unknown = all
	checkDebugging(all, problems)
	for name, value := range all {
		checkUnknown(name, value, e.values, problems)
	}
	return e
}

// bareNameHint returns a hint for a missing setting whose name is set without
// the prefix.
func (e environment) bareNameHint(name string) string {
	bare := strings.TrimPrefix(name, prefix)
	if _, ok := e.unknown[bare]; !ok {
		return ""
	}
	return "; " + bare + " is set, without the prefix HMA_"
}

// everyMailbox is the value of HMA_ALLOWED_MAILBOXES that means every mailbox.
const everyMailbox = "*"

// split splits entries into names and trimmed values. If a name occurs more
// than once, the last entry is valid.
func split(environ []string) map[string]string {
	all := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = strings.Trim(value, space)
	}
	return all
}

// Lookup returns the value of a variable that is not a setting of this program,
// "" when it is not set. If the name occurs more than once, the last entry is
// valid.
func Lookup(entries []string, name string) string {
	value := ""
	for _, entry := range entries {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

// preferLowerCase replaces the value of a proxy variable by the value of the
// variable with the same name in lower case, if that variable is not empty. curl
// does the same. preferLowerCase removes the variable if its value is then empty.
func preferLowerCase(all map[string]string, name string) {
	if twin := all[strings.ToLower(name)]; twin != "" {
		all[name] = twin
	}
	if all[name] == "" {
		delete(all, name)
	}
}

// quoted reports whether s is in quotes. An env file keeps quotes, which a
// shell would remove. Only a secret may begin and end with quotes.
func quoted(s string) bool {
	return len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0]
}

// hintsFor returns, by variable, a hint that says why a value may be impossible
// to parse: a comment after the value, or invisible characters.
func hintsFor(values map[string]string) map[string]string {
	hints := map[string]string{}
	for name, value := range values {
		switch {
		case name == "HMA_ALLOWED_MAILBOXES": // its value may contain comments and line breaks
		case strings.Contains(value, " #"), strings.Contains(value, "\t#"):
			hints[name] = "; a comment behind a value is part of the value here, so it needs a line of its own"
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			hints[name] = "; it holds a character beyond plain ASCII, perhaps an invisible one: type the value instead of pasting it"
		}
	}
	return hints
}

// parse returns the Config of an environment. The errors of the env library
// quote values, so parse takes only the variable's name and this package's own
// texts from these errors.
func parse(given environment, problems *problemList) Config {
	config, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: given.values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[bool]():          parseBool,
			reflect.TypeFor[time.Duration](): parseDuration,
		},
	})
	config.EveryMailbox = given.every
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		problems.fault("environment", "cannot be parsed")
	}
	hints := hintsFor(given.values)
	for _, err := range all.Errors {
		problems.fault(parseFault(err, given, hints))
	}
	checkDurations(&config, problems)
	return config
}

// parseFault extracts the variable and the text of a flaw from an error of the
// env library.
func parseFault(err error, given environment, hints map[string]string) (name, text string) {
	var parse env.ParseError
	var unset env.VarIsNotSetError
	for _, v := range variables() {
		switch {
		case errors.As(err, &parse) && parse.Name == v.field:
			return v.name, flawOf(parse.Err) + hints[v.name]
		case errors.As(err, &unset) && unset.Key == v.name:
			return v.name, "is required and not set; expected " + v.form + given.bareNameHint(v.name)
		}
	}
	return "environment", "cannot be parsed"
}

// flawOf returns the text of a flaw. For any other error, which may quote a
// value, it returns a general text.
func flawOf(err error) string {
	var f flaw
	if errors.As(err, &f) {
		return string(f)
	}
	return "is not valid"
}

func checkDurations(c *Config, problems *problemList) {
	config := reflect.ValueOf(*c)
	for _, v := range variables() {
		if v.bounded && problems.none(v.name) && config.Field(v.index).Int() < int64(v.min) {
			problems.fault(v.name, fmt.Sprintf("is too short; expected at least %v", v.min))
		}
	}
}

// complete sets fields of c whose values follow from other settings.
func complete(c *Config, given environment) {
	if c.Resource == "" {
		c.Resource = ResourceID("https://" + bareHost(c.EWS.URL))
	}
	if c.VaultTenant == "" {
		c.VaultTenant = c.Tenant
	}
	for i := range c.Listen {
		if !given.set["HMA_LISTEN"] && c.Listen[i].TCP.Addr().Is6() {
			c.Listen[i].Optional = true
		}
	}
	for _, v := range variables() {
		if v.secret && given.set[v.name] {
			c.secretVariables = append(c.secretVariables, v.name)
		}
	}
}
