package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"hmaproxy/internal/textwrap"
)

//go:generate go test -run ^TestDocumentation$ -update .
//go:generate go test ../../cmd/hmaproxy -run ^TestGenerated$ -update

const docsHead = `# Configuration

hmaproxy is configured by environment variables alone. This page is generated from the program<!-- source --> (` + "`go generate ./internal/config`" + `)<!-- /source -->;
` + "`hmaproxy help settings`" + ` prints the same list.

- All mistakes are reported at once, by the name of the variable and never by its value.
- White space around a value is not part of it.
- A variable that is set but empty is an error, not the default (HTTPS_PROXY and NO_PROXY excepted).
- A name that was meant for hmaproxy and is not a setting is an error: one that has ` + "`HMA` or `HMAPROXY`" + ` as a word of its own
  (` + "`HMAC_SECRET`" + ` has not), in any letter case; a setting without its prefix, such as ` + "`ALLOWED_MAILBOXES`" + `; what looks
  like a setting and is not spelled as one. Generic names such as ` + "`LOG_LEVEL`" + ` mean nothing here in the process environment, and
  are an error in a file of ` + "`-env-file`" + `. What Kubernetes sets for services named hma, hmaproxy or hma-…
  (` + "`HMA_SERVICE_HOST`, `HMA_PORT_…`" + ` and the like) is ignored, as are Nomad's addresses and a platform's exact copies of settings
  (` + "`APPSETTING_HMA_APP_ID`" + ` on Azure App Service).
- A variable and its ` + "`_FILE`" + ` twin exclude each other. The file is UTF-8 text, must not be empty, and may begin with a byte
  order mark.
- Every command that reads settings takes ` + "`-env-file FILE`" + `. A line of it is blank, a comment (` + "`#`" + ` comes first),
  ` + "`NAME=value`" + `, or ` + "`NAME`" + ` alone, which takes the value from the environment and is an error when there is none;
  ` + "`export`" + ` may stand before the name. The value is all that follows the first ` + "`=`" + `, quotes included. Every other line is an
  error, named by its number. A variable of the environment wins over the file's.
- The certificate has one source: Key Vault or a file.
`

// Markdown returns docs/configuration.md.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(docsHead)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n| variable | default | meaning |\n|---|---|---|\n", s.title)
		for _, v := range s.variables {
			fmt.Fprintf(&b, "| `%s` | %s | %s Expects %s. |\n", v.name, v.markdownDefault(), escape(v.desc), escape(v.form))
		}
	}
	return b.Bytes()
}

func (v variable) markdownDefault() string {
	switch {
	case v.required:
		return "required"
	case v.fallback != "":
		return "`" + v.fallback + "`"
	case v.absent == "":
		return "—"
	}
	return escape(v.absent)
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`)

// escape escapes the characters "\", "|" and "*", which Markdown would read as markup.
func escape(s string) string { return markdownEscapes.Replace(s) }

// Usage writes the list of variables for the command's help, at most 100
// columns wide.
func Usage(w io.Writer) error {
	var b bytes.Buffer
	for i, s := range sections() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:\n", s.title)
		for _, v := range s.variables {
			fmt.Fprintf(&b, "  %s\n", v.name)
			b.WriteString(textwrap.Fill(v.desc+" Expects "+v.form+". "+v.usageDefault(), "        ", "        "))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (v variable) usageDefault() string {
	switch {
	case v.required:
		return "Required."
	case v.fallback != "":
		return "Default: " + v.fallback + "."
	case v.absent != "":
		return "Default: " + v.absent + "."
	}
	return ""
}

type section struct {
	title     string
	variables []variable
}

// sections groups the variables by their sections.
func sections() []section {
	var all []section
	for _, v := range variables() {
		if v.section != "" {
			all = append(all, section{title: v.section})
		}
		last := &all[len(all)-1]
		last.variables = append(last.variables, v)
	}
	return all
}

// Form describes the form of a variable's value, "" for an unknown variable.
func Form(name string) string { return variableNamed(name).form }

// IsSecret reports whether a variable holds a secret.
func IsSecret(name string) bool { return variableNamed(name).secret }
