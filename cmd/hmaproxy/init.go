package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"hmaproxy/internal/config"
)

func initCommand() command {
	return command{
		name:     "init",
		summary:  "write the file of settings",
		synopsis: []string{"init [-o FILE] [NAME=value ...]"},
		about: `Writes the file of settings that -env-file reads: the eight values of Microsoft's guide and the
allow-list. It takes the values from its arguments and from variables of the environment, asks for
those that are missing, and checks the form of each. Where standard input is not a terminal it reads
the missing ones from there, one a line.

The client secret is never an argument, because every user of the machine can see those. It is
asked for without being shown, or taken from the environment. With HMA_KEY_VAULT_CLIENT_SECRET_FILE,
HMA_KEY_VAULT_AUTH=managed or workload, or HMA_CERT_FILE, the values that are not needed then are
not asked for.

A new file gets mode 0600. A file that exists is overwritten only if it sets nothing, as the one
that deb and rpm packages install; it keeps its owner and mode.`,
		flags: []option{{"o", "FILE", "write FILE; hmaproxy.env by default", completeFile, func(o *options) flag.Value {
			o.output = "hmaproxy.env"
			return (*stringValue)(&o.output)
		}}},
		argument: "NAME=value", maxArgs: anyNumber,
		exits: []exit{{exitStopped, "the file was written"}, {exitFailed, "a value is missing, or the file could not be written"}, {exitSettings, "a value is not valid"}},
		examples: []string{
			"hmaproxy init",
			"hmaproxy init -o hmaproxy.env HMA_EWS_URL=https://mail.contoso.com HMA_TENANT_ID=contoso.com",
		},
		run: runInit,
	}
}

// A question asks for one setting.
type question struct {
	name   string
	text   string
	preset func(values map[string]string) string // returns the value for an empty line; nil: a value is required
	skip   func(values map[string]string) bool   // reports whether to leave the question out; nil: never
	secret bool
}

// questions returns the questions of the command init, in the order of
// Microsoft's guide.
func questions() []question {
	has := func(names ...string) func(map[string]string) bool {
		return func(values map[string]string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return values[name] != "" })
		}
	}
	fromFile := has("HMA_CERT_FILE")
	withoutSecret := func(values map[string]string) bool {
		auth := values["HMA_KEY_VAULT_AUTH"]
		return fromFile(values) || auth != "" && auth != string(config.AuthSecret)
	}
	return []question{
		{name: "HMA_EWS_URL", text: "EWS URL of Exchange, such as https://mail.contoso.com/EWS/Exchange.asmx"},
		{name: "HMA_RESOURCE_ID", text: "AAD resource Id: the https URL under which Exchange is registered in Entra ID", preset: resourceOf},
		{name: "HMA_TENANT_ID", text: "TenantId: the tenant that Exchange belongs to"},
		{name: "HMA_APP_ID", text: "HMA Application Id: the application that holds full_access_as_app"},
		{name: "HMA_KEY_VAULT_URI", text: "Key Vault Uri, such as https://contoso.vault.azure.net", skip: fromFile},
		{name: "HMA_KEY_VAULT_CERT_NAME", text: "Key Vault KeyName: the name of the certificate in the vault", skip: fromFile,
			preset: func(map[string]string) string { return "HMA-Cert" }},
		{name: "HMA_KEY_VAULT_APP_ID", text: "KeyVault Application Id: the application that may read the vault", skip: withoutSecret},
		{name: "HMA_KEY_VAULT_CLIENT_SECRET", text: "KeyVault Client Secret: its value, not its id", secret: true,
			skip: func(values map[string]string) bool {
				return withoutSecret(values) || has("HMA_KEY_VAULT_CLIENT_SECRET_FILE")(values)
			}},
		{name: "HMA_ALLOWED_MAILBOXES", text: "Mailboxes that clients may open, separated by commas, such as sync@contoso.com,*@rooms.contoso.com; * means every mailbox of the organisation",
			skip: has("HMA_ALLOWED_MAILBOXES_FILE")},
	}
}

// resourceOf returns the resource that HMA_EWS_URL implies, or "" if that URL
// is not valid.
func resourceOf(values map[string]string) string {
	var u config.EWSURL
	if u.UnmarshalText([]byte(values["HMA_EWS_URL"])) != nil {
		return ""
	}
	return "https://" + u.Hostname()
}

func runInit(ctx context.Context, inv *invocation) error {
	file, isNew, err := openUnset(inv.output) // open the file before the questions, so that a user does not type a secret in vain
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	text, err := settingsText(ctx, inv)
	if err == nil {
		err = overwrite(file, text)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		if isNew {
			_ = os.Remove(inv.output)
		}
		return fmt.Errorf("init: %w", err)
	}
	readers := "which only you can read"
	if !isNew {
		readers = "with its owner and mode as before"
	}
	_, err = fmt.Fprintf(inv.out, "wrote %[1]s, %[2]s\nnext: hmaproxy doctor -env-file %[1]s\nthen: hmaproxy -env-file %[1]s\n", inv.output, readers)
	return err
}

// openUnset creates the settings file. It opens an existing file only if the
// file contains no setting, and its mode gives access only to its owner and
// group. On Windows it ignores the mode.
func openUnset(name string) (file *os.File, isNew bool, err error) {
	file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if !errors.Is(err, os.ErrExist) {
		return file, true, err
	}
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular():
		return nil, false, fmt.Errorf("%s exists and is not a regular file; write another with -o FILE", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, false, err
	}
	if entries, err := config.ParseEnvFile(data, nil); err != nil || len(entries) > 0 {
		return nil, false, fmt.Errorf("%s exists and is not overwritten; remove it, or write another with -o FILE", name)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return nil, false, fmt.Errorf("%s exists and every user can open it, so it is not the place for a secret; run chmod o= %s first", name, name)
	}
	file, err = os.OpenFile(name, os.O_WRONLY, 0)
	return file, false, err
}

// overwrite makes text the content of the file.
func overwrite(file *os.File, text string) error {
	_, err := io.WriteString(file, text)
	return errors.Join(err, file.Truncate(int64(len(text))), file.Sync())
}

// settingsText asks for the settings that are given neither in the environment
// nor in the arguments. It returns the content of the settings file.
func settingsText(ctx context.Context, inv *invocation) (string, error) {
	values, order, err := givenSettings(inv)
	if err != nil {
		return "", err
	}
	terminal := newTerminal(inv.stdio)
	for _, q := range questions() {
		if values[q.name] != "" || q.skip != nil && q.skip(values) {
			continue
		}
		if values[q.name], err = q.ask(ctx, terminal, values); err != nil {
			return "", err
		}
		order = append(order, q.name)
	}
	text := "# Settings of hmaproxy: hmaproxy -env-file FILE. docs/configuration.md explains them.\n"
	for _, name := range inOrder(order) {
		text += name + "=" + values[name] + "\n"
	}
	return text, checkSettings(text, inv.err)
}

// givenSettings returns the settings of the environment and of the arguments,
// and their names. Arguments take precedence.
func givenSettings(inv *invocation) (values map[string]string, names []string, err error) {
	values = map[string]string{}
	take := func(name, value string) error {
		value = strings.TrimSpace(value)
		if err := config.Check(name, value); err != nil {
			return settingsError{fmt.Errorf("%s: %w", name, err)}
		}
		if values[name] == "" {
			names = append(names, name)
		}
		values[name] = value
		return nil
	}
	for _, entry := range inv.environ {
		name, value, _ := strings.Cut(entry, "=")
		if !isOwnSetting(name) {
			continue
		}
		if err := take(name, value); err != nil {
			return nil, nil, err
		}
	}
	for _, argument := range inv.args {
		name, value, ok := strings.Cut(argument, "=")
		switch {
		case !ok || !isOwnSetting(name):
			return nil, nil, usageError{errors.New("an argument is not a setting; expected NAME=value with a name that \"hmaproxy help settings\" lists")}
		case config.IsSecret(name):
			return nil, nil, usageError{fmt.Errorf("%s is a secret, and every user of the machine can see arguments: set it in the environment, or enter it when init asks", name)}
		}
		if err := take(name, value); err != nil {
			return nil, nil, err
		}
	}
	return values, names, nil
}

// isOwnSetting reports whether name is the name of a setting that only this
// program uses.
func isOwnSetting(name string) bool {
	return strings.HasPrefix(name, "HMA_") && config.Form(name) != ""
}

// ask repeats the question until the value has the right form. Without a
// terminal a value of the wrong form is an error.
func (q question) ask(ctx context.Context, t *terminal, values map[string]string) (string, error) {
	text, preset := q.text+"\n"+q.name, ""
	if q.preset != nil {
		preset = q.preset(values)
	}
	if preset != "" {
		text += " [" + preset + "]"
	}
	ask := t.ask
	if q.secret {
		ask = t.askHidden
	}
	for {
		value, err := ask(ctx, text+": ")
		if err != nil {
			return "", fmt.Errorf("%s is missing: %w", q.name, err)
		}
		if value = strings.TrimSpace(value); value == "" {
			value = preset
		}
		if err = config.Check(q.name, value); err == nil {
			return value, nil
		}
		if !t.isTerminal() {
			return "", settingsError{fmt.Errorf("%s: %w", q.name, err)}
		}
		fmt.Fprintf(t.std.err, "%s %v\n", q.name, err)
	}
}

// inOrder returns the names in the order of the questions, then other settings.
func inOrder(names []string) []string {
	position := func(name string) int {
		all := questions()
		if i := slices.IndexFunc(all, func(q question) bool { return q.name == name }); i >= 0 {
			return i
		}
		return len(all)
	}
	slices.SortStableFunc(names, func(a, b string) int { return position(a) - position(b) })
	return names
}

// checkSettings checks text, the content of a settings file, as the command serve
// will. It prints the warnings to w.
func checkSettings(text string, w io.Writer) error {
	entries, err := config.ParseEnvFile([]byte(text), nil)
	if err != nil {
		return settingsError{err}
	}
	c, err := config.Load(entries, config.ReadAtStart)
	if err != nil {
		return settingsError{err}
	}
	for _, warning := range c.Warnings() {
		fmt.Fprintln(w, "warning:", warning)
	}
	return nil
}
