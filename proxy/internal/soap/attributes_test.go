package soap

import (
	"errors"
	"testing"

	"hmaproxy/proxy/ews"
)

// TestRefusedAttributes passes Reset a function that refuses every reference with
// an error. It checks that scanning returns this error for a reference in an
// attribute, whether the attribute is the first or the last one of its element.
func TestRefusedAttributes(t *testing.T) {
	refused := errors.New("refused")
	const id = "AAMkAGI=" // the content does not matter
	for attributes, path := range map[string]string{
		`Mailbox="bob@contoso.com" Format="EwsId"`: "@Mailbox",
		`Format="EwsId" Mailbox="bob@contoso.com"`: "@Mailbox",
		`Id="` + id + `" Format="EwsId"`:           "@Id",
		`Format="EwsId" Id="` + id + `"`:           "@Id",
	} {
		for _, size := range []int{0, 1} {
			s := NewScanner()
			s.Reset(func(r ews.Reference) error {
				if r.Path == path {
					return refused
				}
				return nil
			}, true)
			err := scan(s, operation(`<m:ConvertId><m:SourceIds><t:AlternateId `+attributes+`/></m:SourceIds></m:ConvertId>`), size)
			if !errors.Is(err, refused) {
				t.Errorf("%s: %v, want the error for the reference", attributes, err)
			}
		}
	}
}
