package corpus

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestReadFindsRowsAndFiles(t *testing.T) {
	root := filepath.Join(t.TempDir(), "project")
	folder := filepath.Join(root, Folder, SOAP)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.xml", "<a/>")
	write("index.tsv", "file\tclass\tgroup\tattack\tlenient_mailbox\texpected\tstrength\tcontent_type\tcontent_encoding\n"+
		"a.xml\tattack\tencoding\ta \"quoted\" word\tbob@contoso.com\tdeny\tmust\ttext/xml\tgzip\n"+
		"b.xml\tbenign\tbenign\t\t\tforward\tpolicy\t\t\n")
	rows, err := Read(root, SOAP)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	want := Row{File: "a.xml", Group: "encoding", Attack: `a "quoted" word`, Expected: Deny, Strength: "must",
		ContentType: "text/xml", ContentEncoding: "gzip", folder: folder}
	if rows[0] != want {
		t.Errorf("got %+v\nwant %+v", rows[0], want)
	}
	if content, err := rows[0].Content(); string(content) != "<a/>" || err != nil {
		t.Errorf("content %q, %v", content, err)
	}
	if _, err := rows[1].Content(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("content of a missing file: %v", err)
	}
}

func TestReadWithoutCorpus(t *testing.T) {
	if _, err := Read(t.TempDir(), SOAP); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error that is fs.ErrNotExist", err)
	}
}

func TestParseRejectsMalformedIndex(t *testing.T) {
	const head = "file\texpected\n"
	for name, text := range map[string]string{
		"empty":              "",
		"no rows":            head,
		"a field too few":    head + "a.xml\n",
		"a field too many":   head + "a.xml\tdeny\t\n",
		"an empty line":      head + "a.xml\tdeny\n\nb.xml\tdeny\n",
		"an unknown result":  head + "a.xml\tdenied\n",
		"no expected result": head + "a.xml\t\n",
		"no such column":     "file\tverdict\na.xml\tdeny\n",
	} {
		t.Run(name, func(t *testing.T) {
			if rows, err := parse(text); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %+v, %v", rows, err)
			}
		})
	}
	// The last line may have no end of line.
	if rows, err := parse(head + "a.xml\tstrip"); err != nil || len(rows) != 1 || rows[0].Expected != Strip {
		t.Errorf("got %+v, %v", rows, err)
	}
}

func TestAddress(t *testing.T) {
	got := string(Address([]byte("Host: {HP}\r\nOrigin: http://evil.example:{PORT}\r\n{X}"), "127.0.0.1:8080"))
	if want := "Host: 127.0.0.1:8080\r\nOrigin: http://evil.example:8080\r\n{X}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
