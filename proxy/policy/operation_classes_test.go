package policy

import (
	"encoding/xml"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// wsdl is the folder with Microsoft's description of EWS, next to the checkout.
const wsdl = "../../../shared/wsdl/"

// readXML decodes a file of Microsoft's description. It skips the test if there
// is no description.
func readXML(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(wsdl + name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("NOT TESTED: %s is not on this machine", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// schemaOperations returns the names of the operations in services.wsdl, and
// the names of the elements in messages.xsd whose types extend BaseRequestType.
// The names of these elements are without the suffix "Request".
func schemaOperations(t *testing.T) []string {
	t.Helper()
	var services struct {
		Operations []struct {
			Name string `xml:"name,attr"`
		} `xml:"portType>operation"`
	}
	readXML(t, "services.wsdl", &services)
	var messages struct {
		Elements []struct {
			Name string `xml:"name,attr"`
			Type string `xml:"type,attr"`
		} `xml:"element"`
		Types []struct {
			Name      string `xml:"name,attr"`
			Extension struct {
				Base string `xml:"base,attr"`
			} `xml:"complexContent>extension"`
		} `xml:"complexType"`
	}
	readXML(t, "messages.xsd", &messages)
	base := make(map[string]string)
	for _, c := range messages.Types {
		base[local(c.Name)] = local(c.Extension.Base)
	}
	var names []string
	for _, o := range services.Operations {
		names = append(names, o.Name)
	}
	for _, e := range messages.Elements {
		for name := local(e.Type); name != ""; name = base[name] {
			if name == "BaseRequestType" {
				names = append(names, strings.TrimSuffix(e.Name, "Request"))
			}
		}
	}
	if len(names) < 200 {
		t.Fatalf("the schema has only %d operations", len(names))
	}
	return names
}

func local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

// TestEveryOperationHasAClass checks that every operation of the schema is in
// exactly one class.
func TestEveryOperationHasAClass(t *testing.T) {
	classes := map[string]int{}
	for _, class := range []string{readOperations, sendOperations, otherOperations, refusedOperations} {
		for _, name := range strings.Fields(class) {
			classes[name]++
		}
	}
	for name, n := range classes {
		if n != 1 {
			t.Errorf("%s is in %d classes", name, n)
		}
	}
	for _, name := range schemaOperations(t) {
		if classes[name] == 0 {
			t.Errorf("%s of the schema has no class", name)
		}
	}
}

// TestReadPreset compares the preset @read with the schema. An operation whose
// name begins with Get, Find or Sync must be in the preset, unless it is refused
// by default or listed in the variable "left". An operation of the preset with any
// other name must be listed in the variable "others".
func TestReadPreset(t *testing.T) {
	others := strings.Fields("ConvertId ExpandDL ResolveNames Subscribe Unsubscribe")
	left := strings.Fields(`
		GetSharingMetadata
		GetClientExtension GetOMEConfiguration`)
	read, refused := strings.Fields(readOperations), strings.Fields(refusedOperations)
	reads := func(name string) bool {
		return strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "Find") || strings.HasPrefix(name, "Sync")
	}
	for _, name := range read {
		if !reads(name) && !slices.Contains(others, name) {
			t.Errorf("@read has %s, whose name does not say that it reads", name)
		}
	}
	for _, name := range schemaOperations(t) {
		in := slices.Contains(read, name)
		out := slices.Contains(left, name) || slices.Contains(refused, name)
		if reads(name) && in == out {
			t.Errorf("%s: in @read %v, left out on purpose %v", name, in, out)
		}
	}
}

// TestSendPreset checks that the preset has the operations that compose and
// send a message.
func TestSendPreset(t *testing.T) {
	got := strings.Fields(sendOperations)
	if want := []string{"CreateAttachment", "CreateItem", "SendItem"}; !slices.Equal(got, want) {
		t.Errorf("@send has %q, want %q", got, want)
	}
}
