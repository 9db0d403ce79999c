package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// suiteVariable is the environment variable for the folder of the W3C's conformance
// suite for XML, which scripts/xml-conformance.sh unpacks.
const suiteVariable = "HMAPROXY_XML_SUITE"

// A suiteCase is a document of the W3C's conformance suite for XML.
type suiteCase struct {
	id, kind string
	doc      []byte
}

func suite(t *testing.T) []suiteCase {
	folder := os.Getenv(suiteVariable)
	if folder == "" {
		t.Skip("NOT RUN: the W3C conformance suite is not here; scripts/xml-conformance.sh fetches it and runs this test")
	}
	root := filepath.Join(folder, "build", "dist")
	index, err := os.ReadFile(filepath.Join(root, "cleaned", "xmlconf-flattened.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []suiteCase
	bases := []string{filepath.Join(root, "xmlconf")}
	d := xml.NewDecoder(bytes.NewReader(index))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return cases
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			has := map[string]string{}
			for _, a := range tok.Attr {
				has[a.Name.Local] = a.Value
			}
			base := filepath.Join(bases[len(bases)-1], filepath.FromSlash(has["base"]))
			bases = append(bases, base)
			if tok.Name.Local != "TEST" {
				break
			}
			doc, err := os.ReadFile(filepath.Join(base, filepath.FromSlash(has["URI"])))
			if err != nil {
				t.Fatal(err)
			}
			cases = append(cases, suiteCase{has["ID"], has["TYPE"], doc})
		case xml.EndElement:
			bases = bases[:len(bases)-1]
		}
	}
}

// TestConformance checks that the scanner refuses every malformed document of the
// W3C conformance suite for XML, and accepts every well-formed document within the
// profile. The scanner applies only its rules about XML here, and not its rules
// about envelopes.
func TestConformance(t *testing.T) {
	s := NewScanner()
	s.envelope.bare = true
	refused, undeclared, accepted := 0, 0, 0
	for _, c := range suite(t) {
		switch c.kind {
		case "not-wf":
			s.Reset(nil, false)
			err := scan(s, c.doc, 0)
			var v *Violation
			if !errors.As(err, &v) {
				t.Errorf("%s: %v, want a Violation\n%s", c.id, err, c.doc)
			}
			refused++
			if !bytes.Contains(c.doc, []byte("<!DOCTYPE")) {
				undeclared++
			}
		case "valid", "invalid":
			doc, ok := withinProfile(c.doc)
			if !ok {
				continue
			}
			s.Reset(nil, false)
			if err := scan(s, doc, 0); err != nil {
				t.Errorf("%s: %v\n%s", c.id, err, doc)
			}
			accepted++
		}
	}
	t.Logf("%d not well-formed were refused, %d of them without a DOCTYPE; %d well-formed were accepted", refused, undeclared, accepted)
	if refused < 1400 || undeclared < 300 || accepted < 100 {
		t.Error("too few for the test to mean much")
	}
}

var (
	doctype     = regexp.MustCompile(`<!DOCTYPE[^\[>]*(\[[^\]]*\])?\s*>`)
	declaration = regexp.MustCompile(`^<\?xml version=["']1.0["']\s*(encoding=["'](?i:utf-8)["'])?\s*(standalone=["'](yes|no)["'])?\s*\?>`)
	outside     = regexp.MustCompile(`<\?|<!DOCTYPE|&[A-Za-z]|<[^<>!]*[^\x00-\x7f]|<[^<>!"']*:|[\s]xml`)
)

// withinProfile removes the DOCTYPE and reports whether the rest keeps to the
// profile: no processing instructions, no entities, only ASCII names, and no
// names with a colon. It decides by regular expressions and encoding/xml,
// without the scanner.
func withinProfile(doc []byte) ([]byte, bool) {
	doc = doctype.ReplaceAll(doc, nil)
	start := declaration.Find(doc)
	if outside.Match(doc[len(start):]) {
		return nil, false
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		if _, err := d.Token(); err == io.EOF {
			return doc, true
		} else if err != nil {
			return nil, false
		}
	}
}
