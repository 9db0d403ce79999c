package release

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Tree is the set of files in an archive.
type Tree struct {
	text    map[string]string // documents, by file name
	other   map[string]string // other files of text, by file name
	folders map[string]bool   // names of all files and folders
}

// NewTree reads the files of an unpacked archive.
func NewTree(archive fs.FS) (*Tree, error) {
	t := &Tree{text: map[string]string{}, other: map[string]string{}, folders: map[string]bool{}}
	err := fs.WalkDir(archive, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t.folders[name] = true
		if entry.IsDir() || !strings.Contains(name, "/") && path.Ext(name) != ".md" {
			return nil
		}
		data, err := fs.ReadFile(archive, name)
		if path.Ext(name) == ".md" {
			t.text[name] = string(data)
		} else if utf8.Valid(data) {
			t.other[name] = string(data)
		}
		return err
	})
	return t, err
}

// Documents returns the sorted names of the documents.
func (t *Tree) Documents() []string {
	var names []string
	for name := range t.text {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var (
	// markdownLink captures the targets of links and pictures, of reference
	// definitions, and of the attributes href and src in HTML elements.
	markdownLink = regexp.MustCompile(`\]\(\s*<?([^)>\s]+)|(?m:^ {0,3}\[[^\]]+\]:\s*<?([^>\s]+))|(?i:(?:href|src)\s*=\s*["']([^"']+))`)
	// elsewhere matches the beginning of a link with a scheme such as https: or
	// mailto:, whose target is outside the archive.
	elsewhere  = regexp.MustCompile(`^[a-z][a-z0-9+.-]+:`)
	explicitID = regexp.MustCompile(`<a id="([^"]+)">`)
	heading    = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// DeadLinks returns a line for each link of a document whose target, a file or
// heading, is not in the archive.
func (t *Tree) DeadLinks() []string {
	var dead []string
	for _, name := range t.Documents() {
		for _, match := range markdownLink.FindAllStringSubmatch(withoutCode(t.text[name]), -1) {
			link := match[1] + match[2] + match[3]
			if elsewhere.MatchString(link) {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			switch {
			case !t.folders[target]:
				dead = append(dead, fmt.Sprintf("%s: %s is not there", name, link))
			case anchor != "" && !slices.Contains(anchors(t.text[target]), anchor):
				dead = append(dead, fmt.Sprintf("%s: %s has no such heading", name, link))
			}
		}
	}
	return dead
}

// anchors returns the fragments by which links can refer to the headings and ids
// of a document.
func anchors(text string) []string {
	var all []string
	text = withoutCode(text) // a comment in a shell script is not a heading
	for _, match := range explicitID.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, slug(match[1]))
	}
	return all
}

// slug returns the fragment of a heading, as GitHub makes it.
func slug(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// Code is a code span, or a line of a code block, in a document.
type Code struct {
	Document string
	Text     string
	Folder   string // folder in which the line runs, because of cd commands above it in its block; "": the block has none
}

var span = regexp.MustCompile("`([^`\n]+)`")

// Code returns the code of all documents, in order.
func (t *Tree) Code() []Code {
	var all []Code
	for _, name := range t.Documents() {
		all = append(all, codeOf(name, t.text[name])...)
	}
	return all
}

// Lines returns the lines of the files that are not documents, such as manifests,
// scripts and manual pages, as code. It leaves out lines that name the command
// which generates a file.
func (t *Tree) Lines() []Code {
	var all []Code
	for name, text := range t.other {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(strings.ReplaceAll(line, `\-`, "-")); line != "" && !strings.Contains(line, "go generate") {
				all = append(all, Code{name, line, ""})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Code) int { return strings.Compare(a.Document, b.Document) })
	return all
}

func codeOf(name, text string) []Code {
	var all []Code
	folder, fenced, before := "", false, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		fence := isFence(line)
		indented := strings.HasPrefix(line, "    ") && (before == "" || strings.HasPrefix(before, "    "))
		switch {
		case fence:
			fenced, folder = !fenced, ""
		case fenced || indented:
			all = append(all, Code{name, strings.TrimSpace(line), folder})
			if to := changesTo(line); to != "" {
				folder = path.Join(folder, to)
			}
		default:
			if line != "" {
				folder = ""
			}
			for _, match := range span.FindAllStringSubmatch(line, -1) {
				all = append(all, Code{name, match[1], ""})
			}
		}
		before = line
	}
	return all
}

func isFence(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~")
}

// withoutCode returns a document without its code blocks, which may contain
// text that looks like a link.
func withoutCode(text string) string {
	var kept strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		if isFence(line) {
			fenced = !fenced
		} else if !fenced {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

var changeFolder = regexp.MustCompile(`(?:^|&& )\s*cd ([\w./\\-]+)`)

// changesTo returns the folder that a command line changes to, "" for none.
func changesTo(line string) string {
	if match := changeFolder.FindStringSubmatch(line); match != nil {
		return strings.ReplaceAll(match[1], `\`, "/")
	}
	return ""
}

var (
	// localPath matches a path into the tree of an archive or of the source code.
	localPath = regexp.MustCompile(`(?:^|[\s"'(=@])((?:\.{1,2}[/\\]|(?:deploy|docs|scripts|test|cmd|\.ci)[/\\])[\w./\\-]*)`)
	goCommand = regexp.MustCompile(`(?:^|[\s(=])go (?:run|build|test|generate|vet|install) `)
)

// MissingPaths returns a line for each path in code that names a file which is
// not in the archive. It also returns a line for each command that needs the
// source code. The files in the argument "made" do not count as missing,
// because commands in the documents create them.
func (t *Tree) MissingPaths(made ...string) []string {
	var missing []string
	for _, code := range append(t.Code(), t.Lines()...) {
		if goCommand.MatchString(code.Text) {
			missing = append(missing, fmt.Sprintf("%s: %q needs the source code", code.Document, code.Text))
		}
		for _, match := range localPath.FindAllStringSubmatch(code.Text, -1) {
			if name := strings.TrimRight(strings.ReplaceAll(match[1], `\`, "/"), "."); !slices.Contains(made, name) && !t.has(code, name) {
				missing = append(missing, fmt.Sprintf("%s: %s in %q is not there", code.Document, name, code.Text))
			}
		}
	}
	return missing
}

// has reports whether a path in code exists. The path may be relative to the top
// of the archive, to the folder of its document, or to the folder that the code
// block has changed to.
func (t *Tree) has(code Code, name string) bool {
	own := path.Dir(code.Document)
	for _, folder := range []string{".", own, code.Folder, path.Join(own, code.Folder)} {
		if t.folders[path.Join(folder, name)] {
			return true
		}
	}
	return false
}

// callOfProgram matches a call of hmaproxy and captures its arguments.
var callOfProgram = regexp.MustCompile(`(?:^|[\s(]|[./\\])hmaproxy(?:\.exe)?['"]? ((?:-|[a-z])[^#|<>]*)`)

// notCalls are parts of lines in which "hmaproxy" is not a call: it is an argument
// of another program, or part of a template ("{{").
var notCalls = []string{
	"systemctl", "journalctl", "docker ", "kubectl", "helm ", "apt ", "dnf ", "rpm -", "sc.exe", "Restart-Service", "Get-Service",
	"install -d ", "install -m ", "install -o ", "{{", "az ", "complete -c", "Register-",
}

// CallOf returns the command and the flags with which a line of code calls
// hmaproxy. The command is "serve" if the line names none. CallOf returns nil
// if the line does not call hmaproxy.
func CallOf(line string) []string {
	words := wordsOfCall(line)
	if words == nil {
		return nil
	}
	call := []string{"serve"}
	if !strings.HasPrefix(words[0], "-") {
		call[0], words = words[0], words[1:]
	}
	for _, word := range words {
		if strings.HasPrefix(word, "-") && word != "-" {
			call = append(call, word)
		}
	}
	return call
}

// VerbOf returns the word that follows the command in a call of the program. For
// "hmaproxy policy test" it returns "test". It returns "" if a flag or nothing
// follows.
func VerbOf(line string) string {
	words := wordsOfCall(line)
	if len(words) < 2 || !verb.MatchString(words[0]) || !verb.MatchString(words[1]) {
		return ""
	}
	return words[1]
}

var verb = regexp.MustCompile(`^[a-z][a-z-]*$`)

func wordsOfCall(line string) []string {
	match := callOfProgram.FindStringSubmatch(line)
	if match == nil || slices.ContainsFunc(notCalls, func(s string) bool { return strings.Contains(line, s) }) {
		return nil
	}
	return strings.FieldsFunc(match[1], func(r rune) bool { return strings.ContainsRune(" ,[]\"'`)", r) })
}
