// Package release decides which files of the repository an archive of a release
// contains in addition to the program. It also checks the documents in an
// archive: their links, paths and commands must exist.
package release

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// developerDocuments describe the source code, which an archive does not
// contain.
var developerDocuments = []string{
	"docs/architecture.md", "docs/design.md", "docs/glossary.md", "docs/performance.md", "docs/soak.md",
}

// Includes reports whether an archive contains the file with this name in the
// repository. Archives of all platforms contain the same files in the same
// folders, so that the links between documents work.
func Includes(name string) bool {
	switch name {
	case "README.md", "LICENSE", "SECURITY.md", "CHANGELOG.md":
		return true
	case "deploy/compose/dev.yaml", "deploy/compose/getfolder.xml": // these files are for a build from source
		return false
	}
	parts := strings.Split(name, "/")
	if slices.ContainsFunc(parts, isInternal) {
		return false
	}
	switch parts[0] {
	case "docs":
		return len(parts) == 2 && path.Ext(name) == ".md" && !slices.Contains(developerDocuments, name)
	case "deploy":
		return true
	}
	return false
}

// isInternal reports whether a file or folder is for developers, or contains
// the state of a tool. part is its name.
func isInternal(part string) bool {
	return strings.HasPrefix(part, ".") || strings.HasSuffix(part, "_test.go") || strings.Contains(part, "tfstate") ||
		slices.Contains([]string{"check", "testdata", "tests"}, part)
}

// Marks before and after a part of a document that describes the source code. In
// Markdown they are comments, within a line or on their own lines.
const (
	sourceBegin = "<!-- source -->"
	sourceEnd   = "<!-- /source -->"
)

// An Origin says where a release is published. It replaces the placeholder
// OWNER in documents and manifests. The zero value keeps the placeholder.
type Origin struct {
	Repository string // "owner/name" on GitHub
	Version    string // the tag, "v1.2.3"
}

// content returns a file as an archive contains it. In Markdown the text about
// the source code is left out. In Markdown and YAML the placeholders are
// replaced. The settings for Windows have CR LF line ends, because Notepad of
// Windows Server 2016 supports no others.
func (o Origin) content(name string, data []byte) ([]byte, error) {
	switch path.Ext(name) {
	case ".md":
		text, err := withoutSource(name, data)
		return o.Fill(text), err
	case ".yaml":
		return o.Fill(data), nil
	case ".example":
		if strings.HasPrefix(name, "deploy/windows/") {
			return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), nil
		}
	}
	return data, nil
}

var (
	imageName = regexp.MustCompile(`(image: )hmaproxy:latest\b`)
	newName   = regexp.MustCompile(`(newName: )hmaproxy(\n\s*newTag: )latest\b`)
	chartTag  = regexp.MustCompile(`(repository: \S+\n\s*tag: )latest\b`)
	chartOf   = regexp.MustCompile(`(?m)^version: 0\.0\.0$`)
	appOf     = regexp.MustCompile(`(?m)^appVersion: v0\.0\.0$`)
)

// Fill replaces the placeholders in data by values of the origin: the repository,
// its owner, the name and tag of the image, and the versions of charts.
func (o Origin) Fill(data []byte) []byte {
	if o.Version != "" {
		data = chartOf.ReplaceAll(data, []byte("version: "+strings.TrimPrefix(o.Version, "v")))
		data = appOf.ReplaceAll(data, []byte("appVersion: "+o.Version))
	}
	if o.Repository == "" {
		return data
	}
	owner, _, _ := strings.Cut(o.Repository, "/")
	image := "ghcr.io/" + strings.ToLower(o.Repository)
	text := strings.ReplaceAll(string(data), "ghcr.io/OWNER/hmaproxy", image)
	text = strings.ReplaceAll(text, "OWNER/hmaproxy", o.Repository)
	text = strings.ReplaceAll(text, "OWNER", owner)
	text = imageName.ReplaceAllString(text, "${1}"+image+":"+o.Version)
	text = newName.ReplaceAllString(text, "${1}"+image+"${2}"+o.Version)
	text = chartTag.ReplaceAllString(text, "${1}"+o.Version)
	return []byte(text)
}

func withoutSource(name string, data []byte) ([]byte, error) {
	var kept []byte
	for {
		before, rest, found := bytes.Cut(data, []byte(sourceBegin))
		kept = append(kept, before...)
		if !found {
			return kept, nil
		}
		inside, after, closed := bytes.Cut(rest, []byte(sourceEnd))
		if !closed || bytes.Contains(inside, []byte(sourceBegin)) {
			return nil, fmt.Errorf("%s: %s without %s", name, sourceBegin, sourceEnd)
		}
		if bytes.HasSuffix(kept, []byte("\n")) { // remove the whole line if it contains only the mark
			after = bytes.TrimPrefix(after, []byte("\n"))
		}
		data = after
	}
}

// Files returns the content of all files of an archive by name, without the
// program and the licences of its dependencies. tracked are the names of the
// files in source that may be packed. Other files are left out, because
// deploy/azure/terraform may contain a state with secrets.
func (o Origin) Files(source fs.FS, tracked []string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range tracked {
		if !Includes(name) {
			continue
		}
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		if files[name], err = o.content(name, data); err != nil {
			return nil, err
		}
	}
	if len(files) < 30 {
		return nil, fmt.Errorf("only %d files were found", len(files))
	}
	return files, nil
}
