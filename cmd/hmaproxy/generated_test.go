package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

// TestGenerated checks that the man pages and the completions of shells agree
// with the command table, and that the copies of the alert rules agree with the
// original. The copies exist because a chart and a kustomization cannot read
// files outside their folders. go generate ./cmd/hmaproxy writes all these
// files.
func TestGenerated(t *testing.T) {
	for name, content := range map[string][]byte{
		"man/hmaproxy.1":            manPage(),
		"man/hmaproxy.env.5":        settingsManPage(t),
		"completions/hmaproxy.bash": bashCompletion(),
		"completions/_hmaproxy":     zshCompletion(),
		"completions/hmaproxy.fish": fishCompletion(),
		"completions/hmaproxy.ps1":  powerShellCompletion(),

		"helm/hmaproxy-sidecar/templates/_rules.tpl":  rulesTemplate(t),
		"helm/hmaproxy-gateway/templates/_rules.tpl":  rulesTemplate(t),
		"kubernetes/components/monitoring/rules.yaml": rulesObject(t),
	} {
		path := filepath.Join("..", "..", "deploy", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("deploy/%s is out of date (go generate ./cmd/hmaproxy): %v", name, err)
		}
	}
}

// TestBashCompletion runs the completion in Bash.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT CHECKED: this machine has no bash")
	}
	for line, want := range map[string]string{
		"hmaproxy ":                      "serve init doctor health wait hash-password report policy tls-setup service version help -env-file -h --version",
		"hmaproxy d":                     "doctor",
		"hmaproxy -e":                    "-env-file",
		"hmaproxy health ":               "startup ready live -env-file -h",
		"hmaproxy health r":              "ready",
		"hmaproxy doctor -m":             "-mailbox",
		"hmaproxy doctor -mailbox ":      "",
		"hmaproxy help se":               "settings serve service",
		"hmaproxy serve -env-file depl":  "deploy_test.go",
		"hmaproxy nonsense ":             "",
		"hmaproxy report -h":             "-html -h",
		"hmaproxy report depl":           "deploy_test.go",
		"hmaproxy policy ch":             "check",
		"hmaproxy wait -timeout 1s -env": "-env-file",
	} {
		script := fmt.Sprintf("source ../../deploy/completions/hmaproxy.bash; line=%q; read -ra COMP_WORDS <<<\"$line\"; [[ $line == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _hmaproxy 2>/dev/null; echo \"${COMPREPLY[*]}\"", line)
		out, err := exec.Command(bash, "-c", script).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q completes to %q, %v; want %q", line, got, err, want)
		}
	}
}

// TestCompletionsCanBeRead checks that each installed shell can parse its
// completion file, and that mandoc can parse the man pages.
func TestCompletionsCanBeRead(t *testing.T) {
	for _, tc := range [][]string{
		{"bash", "-n", "../../deploy/completions/hmaproxy.bash"},
		{"zsh", "-n", "../../deploy/completions/_hmaproxy"},
		{"fish", "-n", "../../deploy/completions/hmaproxy.fish"},
		{"mandoc", "-T", "lint", "-W", "error", "../../deploy/man/hmaproxy.1", "../../deploy/man/hmaproxy.env.5"},
	} {
		if _, err := exec.LookPath(tc[0]); err != nil {
			t.Logf("NOT CHECKED: there is no %s here", tc[0])
			continue
		}
		if out, err := exec.Command(tc[0], tc[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", tc[0], err, out)
		}
	}
}

const generatedMark = "Generated from the command table by go generate ./cmd/hmaproxy."

// roff escapes text for a man page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// writeRoff writes paragraphs. It does not change indented lines.
func writeRoff(b *bytes.Buffer, text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		verbatim := strings.HasPrefix(paragraph, " ")
		if verbatim {
			b.WriteString(".nf\n")
		}
		for line := range strings.Lines(paragraph + "\n") {
			b.WriteString(roff(strings.TrimSuffix(line, "\n")) + "\n")
		}
		if verbatim {
			b.WriteString(".fi\n")
		}
	}
}

func manPage() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".\\\" %s\n.TH HMAPROXY 1\n.SH NAME\nhmaproxy \\- local auth proxy for legacy Exchange Web Services clients\n.SH SYNOPSIS\n", generatedMark)
	var lines []string
	for _, c := range commands() {
		for _, synopsis := range c.synopsis {
			lines = append(lines, "hmaproxy "+roff(strings.Join(strings.Fields(synopsis), " ")))
		}
	}
	b.WriteString(strings.Join(lines, "\n.br\n") + "\n.SH DESCRIPTION\n")
	_, about, _ := strings.Cut(overview, "\n\n")
	about, _, _ = strings.Cut(about, "\n\nusage:")
	writeRoff(&b, about)
	b.WriteString(".PP\nThe settings are described in\n.BR hmaproxy.env (5).\n.SH COMMANDS\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, ".SS %s\n", roff(c.name+": "+c.summary))
		writeRoff(&b, c.about)
		for _, f := range c.flags {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace("-"+f.name+" "+f.value)), roff(f.usage))
		}
		b.WriteString(".PP\nExit status:\n")
		for _, e := range allExits(c.exits) {
			fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", e.status, roff(e.means))
		}
		if len(c.examples) > 0 {
			b.WriteString(".PP\nExamples:\n.PP\n.nf\n")
			for _, example := range c.examples {
				fmt.Fprintf(&b, "%s\n", roff("    "+example))
			}
			b.WriteString(".fi\n")
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR hmaproxy.env (5)\n")
	return b.Bytes()
}

// settingsManPage makes a man page of the output of "hmaproxy help settings".
func settingsManPage(t *testing.T) []byte {
	t.Helper()
	var usage bytes.Buffer
	if err := config.Usage(&usage); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, ".\\\" %s\n.TH HMAPROXY.ENV 5\n.SH NAME\nhmaproxy.env \\- settings of hmaproxy\n.SH DESCRIPTION\n", generatedMark)
	writeRoff(&b, `Settings are environment variables, or lines of the file that -env-file names. A variable of the
environment wins over the file.

A line of the file is blank, a comment that begins with #, NAME=value, or NAME alone, which takes the
value from the environment. The value is all that follows the first =, quotes included. Every other
line is an error.`)
	for line := range strings.Lines(usage.String()) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "":
		case strings.HasPrefix(line, "        "):
			b.WriteString(roff(strings.TrimSpace(line)) + "\n")
		case strings.HasPrefix(line, "  "):
			fmt.Fprintf(&b, ".TP\n.B %s\n", roff(strings.TrimSpace(line)))
		default:
			fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(strings.TrimSuffix(line, ":")))
		}
	}
	b.WriteString(".SH SEE ALSO\n.BR hmaproxy (1)\n")
	return b.Bytes()
}

// flagWords returns the flags of a command, and -h.
func (c command) flagWords() string {
	words := ""
	for _, f := range c.flags {
		words += "-" + f.name + " "
	}
	return words + "-h"
}

func commandNames() string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

// commandsWithFiles returns the commands whose arguments are files.
func commandsWithFiles() []string {
	var names []string
	for _, c := range commands() {
		if c.files {
			names = append(names, c.name)
		}
	}
	return names
}

// flagsTaking returns the flags whose values shells complete in the given way.
func flagsTaking(kind completion) []string {
	seen := map[string]bool{}
	var names []string
	for _, c := range commands() {
		for _, f := range c.flags {
			if f.value != "" && f.kind == kind && !seen[f.name] {
				seen[f.name] = true
				names = append(names, "-"+f.name)
			}
		}
	}
	return names
}

func bashCompletion() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Bash completion for hmaproxy. %s
_hmaproxy() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=serve words=
    COMPREPLY=()
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    case $prev in
    %s)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    %s)
        return
        ;;
    esac
    case $command in
`, generatedMark, strings.Join(flagsTaking(completeFile), " | "), strings.Join(flagsTaking(completeNothing), " | "))
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s) words=%q ;;\n", c.name, strings.TrimSpace(strings.Join(c.choices, " ")+" "+c.flagWords()))
	}
	fmt.Fprintf(&b, `    esac
    if ((COMP_CWORD == 1)); then
        words="%s $words --version"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    case $command in
    %s)
        if ((COMP_CWORD > 1)); then
            compopt -o filenames
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
        fi
        ;;
    esac
}
complete -F _hmaproxy hmaproxy
`, commandNames(), strings.Join(commandsWithFiles(), " | "))
	return b.Bytes()
}

// zshText escapes text for a description of zsh's _arguments and _describe.
func zshText(text string) string {
	return strings.NewReplacer("'", "’", "[", "(", "]", ")", ":", `\:`, `"`, "”", `\`, `\\`).Replace(text)
}

func zshCompletion() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#compdef hmaproxy\n# zsh completion for hmaproxy. %s\n\n_hmaproxy() {\n    local -a commands\n    commands=(\n", generatedMark)
	for _, c := range commands() {
		fmt.Fprintf(&b, "        '%s:%s'\n", c.name, zshText(c.summary))
	}
	b.WriteString(`    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe command commands
        return
    fi
    local command=serve
    if [[ $words[2] != -* ]]; then
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    case $command in
`)
	for _, c := range commands() {
		fmt.Fprintf(&b, "    %s)\n        _arguments '-h[explain the command]'", c.name)
		for _, f := range c.flags {
			action := ""
			if f.value != "" {
				action = ":" + f.value + ":"
				if f.kind == completeFile {
					action += "_files"
				}
			}
			fmt.Fprintf(&b, " \\\n            '-%s[%s]%s'", f.name, zshText(f.usage), action)
		}
		if len(c.choices) > 0 {
			fmt.Fprintf(&b, " \\\n            '1:%s:(%s)'", c.argument, strings.Join(c.choices, " "))
		}
		if c.files {
			b.WriteString(" \\\n            '*:file:_files'")
		}
		b.WriteString("\n        ;;\n")
	}
	b.WriteString("    esac\n}\n\n_hmaproxy \"$@\"\n")
	return b.Bytes()
}

// fishText escapes text for a single-quoted string of fish.
func fishText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text)
}

func fishCompletion() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# fish completion for hmaproxy. %s\ncomplete -c hmaproxy -f\n", generatedMark)
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c hmaproxy -n __fish_use_subcommand -a %s -d '%s'\n", c.name, fishText(c.summary))
	}
	b.WriteString("complete -c hmaproxy -n __fish_use_subcommand -s V -l version -d 'print the version'\n")
	for _, c := range commands() {
		condition := "__fish_seen_subcommand_from " + c.name
		if c.name == "serve" {
			condition = "__fish_use_subcommand; or " + condition
		}
		for _, f := range c.flags {
			value := ""
			if f.value != "" {
				value = " -x"
				if f.kind == completeFile {
					value = " -r -F"
				}
			}
			style := "-o"
			if len(f.name) == 1 {
				style = "-s"
			}
			fmt.Fprintf(&b, "complete -c hmaproxy -n '%s' %s %s%s -d '%s'\n", condition, style, f.name, value, fishText(f.usage))
		}
		if len(c.choices) > 0 {
			fmt.Fprintf(&b, "complete -c hmaproxy -n '%s' -a '%s'\n", condition, strings.Join(c.choices, " "))
		}
		if c.files {
			fmt.Fprintf(&b, "complete -c hmaproxy -n '%s' -F\n", condition)
		}
	}
	return b.Bytes()
}

// powerShellText escapes text for a single-quoted string of PowerShell.
func powerShellText(text string) string { return strings.ReplaceAll(text, "'", "''") }

func powerShellCompletion() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# PowerShell completion for hmaproxy. %s
Register-ArgumentCompleter -Native -CommandName hmaproxy, hmaproxy.exe -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $commands = [ordered]@{
`, generatedMark)
	for _, c := range commands() {
		fmt.Fprintf(&b, "        '%s' = '%s'\n", c.name, powerShellText(c.summary))
	}
	b.WriteString("    }\n    $arguments = @{\n")
	for _, c := range commands() {
		words := append([]string{}, c.choices...)
		words = append(words, strings.Fields(c.flagWords())...)
		fmt.Fprintf(&b, "        '%s' = @('%s')\n", c.name, strings.Join(words, "', '"))
	}
	fmt.Fprintf(&b, `    }
    $elements = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
    if ($wordToComplete -ne '') { $elements = @($elements | Select-Object -SkipLast 1) }
    $previous = $elements[-1]
    if (@('%s') -contains $previous) { return } # PowerShell completes files by itself
    $command = 'serve'
    if ($elements.Count -gt 1 -and -not $elements[1].StartsWith('-')) { $command = $elements[1] }
    $words = @($arguments[$command])
    if ($elements.Count -eq 1) { $words = @($commands.Keys) + $words + '--version' }
    $words | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        $tip = if ($commands.Contains($_)) { $commands[$_] } else { $_ }
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $tip)
    }
}
`, strings.Join(append(flagsTaking(completeFile), flagsTaking(completeNothing)...), "', '"))
	return b.Bytes()
}

const copiedMark = "Copied from deploy/monitoring/hmaproxy.rules.yaml by go generate ./cmd/hmaproxy."

// alertRules returns the groups of alert rules, in YAML.
func alertRules(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/monitoring/hmaproxy.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, groups, found := strings.Cut(string(data), "\ngroups:\n")
	if !found || strings.Contains(groups, "`") {
		t.Fatal("the alert rules cannot be copied")
	}
	return "groups:\n" + strings.TrimSuffix(groups, "\n")
}

// rulesTemplate returns the rules as a Helm template without actions.
func rulesTemplate(t *testing.T) []byte {
	return fmt.Appendf(nil, "{{/* %s */}}\n{{- define \"hmaproxy.rules\" -}}\n{{ `%s` }}\n{{- end -}}\n", copiedMark, alertRules(t))
}

// rulesObject returns the rules as an object of the Prometheus operator.
func rulesObject(t *testing.T) []byte {
	indented := strings.ReplaceAll("\n"+alertRules(t), "\n", "\n  ")
	return fmt.Appendf(nil, "# %s\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: hmaproxy\nspec:%s\n", copiedMark, indented)
}
