// Package corpus reads the shared corpora of requests, for tests and the
// benchmark. It imports no other package of the module, so that a mistake in
// hmaproxy cannot be repeated in its tests.
package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Folder is the folder of the corpora, relative to the root of the module. It is
// outside the repository and can be missing.
const Folder = "../shared/corpus"

// The names of the corpora are their folders in Folder. The files of SOAP are
// bodies of requests. The files of HTTP are whole requests, as sent over a
// connection.
const (
	SOAP = "soap"
	HTTP = "http"
)

// The values of Row.Expected.
const (
	Forward = "forward" // the request reaches Exchange
	Strip   = "strip"   // the request reaches Exchange without a part that Attack describes
	Deny    = "deny"    // the request does not reach Exchange
)

// The values of Row.Strength that depend on more than the request.
const (
	BodyCheck = "body-check" // Expected holds only with HMA_ALLOW_LIST_SCOPE=targets
	Limit     = "limit"      // the row describes a case that a proxy cannot decide
)

// A Row is a line of the index of a corpus: a request, and what a proxy must do
// with it that allows only alice@contoso.com.
type Row struct {
	File, Group, Attack, Expected string
	// The following fields are "" in the corpus HTTP.
	Strength, ContentType, ContentEncoding string

	folder string
}

// Content returns the content of the row's file.
func (r Row) Content() ([]byte, error) {
	return os.ReadFile(filepath.Join(r.folder, r.File))
}

// Read reads the index of a corpus. root is the root of the module. If there is no
// corpus, errors.Is(err, fs.ErrNotExist) is true.
func Read(root, name string) ([]Row, error) {
	folder := filepath.Join(root, Folder, name)
	path := filepath.Join(folder, "index.tsv")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no corpus: %w", err)
	}
	rows, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i := range rows {
		rows[i].folder = folder
	}
	return rows, nil
}

// parse reads an index: lines of fields separated by tabs. The first line has the
// names of the columns.
func parse(text string) ([]Row, error) {
	head, rest, _ := strings.Cut(text, "\n")
	names := strings.Split(head, "\t")
	var rows []Row
	for line := range strings.Lines(rest) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != len(names) {
			return nil, fmt.Errorf("line %d has %d fields, want %d", len(rows)+2, len(fields), len(names))
		}
		var row Row
		for i, name := range names {
			row.set(name, fields[i])
		}
		switch row.Expected {
		case Forward, Strip, Deny:
		default:
			return nil, fmt.Errorf("line %d: the expected result is %q", len(rows)+2, row.Expected)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, errors.New("the index has no rows")
	}
	return rows, nil
}

// set sets the field for a column of an index. Columns without a field are for
// people.
func (r *Row) set(column, value string) {
	switch column {
	case "file":
		r.File = value
	case "group":
		r.Group = value
	case "attack":
		r.Attack = value
	case "expected":
		r.Expected = value
	case "strength":
		r.Strength = value
	case "content_type":
		r.ContentType = value
	case "content_encoding":
		r.ContentEncoding = value
	}
}

// Address fills in the address of a proxy in a request of the corpus HTTP:
// host:port for {HP} and the port for {PORT}.
func Address(request []byte, address string) []byte {
	_, port, _ := net.SplitHostPort(address)
	request = bytes.ReplaceAll(request, []byte("{HP}"), []byte(address))
	return bytes.ReplaceAll(request, []byte("{PORT}"), []byte(port))
}
