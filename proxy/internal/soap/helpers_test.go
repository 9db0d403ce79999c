package soap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hmaproxy/internal/corpus"
)

// scan writes doc to s in pieces of the given size; 0 means one piece.
func scan(s *Scanner, doc []byte, size int) error {
	if size == 0 {
		size = max(len(doc), 1)
	}
	for len(doc) > 0 {
		n := min(size, len(doc))
		if _, err := s.Write(doc[:n]); err != nil {
			return err
		}
		doc = doc[n:]
	}
	return s.Close()
}

// load reads all files of a folder that match pattern. The keys of the result
// are the names of the files.
func load(t testing.TB, dir, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string][]byte{}
	for _, path := range paths {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs[filepath.Base(path)] = doc
	}
	if len(docs) == 0 {
		t.Fatalf("no %s in %s", pattern, dir)
	}
	return docs
}

// A reason is the expected reason why a document of testdata is refused or has
// a Problem.
type reason struct {
	offset int64
	reason string
}

// reasons returns the table testdata/reasons.tsv, which maps the names of
// documents to the expected reasons. A person has checked that the reason of each
// document is the one in its file name.
func reasons(t testing.TB) map[string]reason {
	t.Helper()
	text, err := os.ReadFile("testdata/reasons.tsv")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]reason{}
	for line := range strings.Lines(string(text)) {
		c := strings.Split(strings.TrimSpace(line), "\t")
		offset, err := strconv.ParseInt(c[1], 10, 64)
		if err != nil || len(c) != 3 {
			t.Fatalf("reasons.tsv: %q", line)
		}
		found[c[0]] = reason{offset, c[2]}
	}
	return found
}

// corpusRows returns the rows of the shared corpus SOAP. Without the corpus it
// returns nil.
func corpusRows(t testing.TB) []corpus.Row {
	t.Helper()
	rows, err := corpus.Read("../../..", corpus.SOAP)
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("NOT CHECKED: only testdata is used: %v", err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
