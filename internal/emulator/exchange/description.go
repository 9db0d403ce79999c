package exchange

import (
	"embed"
	"net/http"
	"strings"
	"sync"
)

// description is a service description of some operations, written for the
// emulator.
//
//go:embed wsdl
var description embed.FS

// A Documents holds the documents of the service description. It is safe for
// concurrent use. The zero value serves the embedded documents.
type Documents struct {
	mu    sync.Mutex
	texts map[string]string // texts that replace embedded documents, by name
}

// SetDocument replaces a document of the service description:
// "services.wsdl", "messages.xsd" or "types.xsd".
func (d *Documents) SetDocument(name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.texts == nil {
		d.texts = map[string]string{}
	}
	d.texts[name] = text
}

// document serves a document of the service description. The description is
// well-formed. It covers only what the emulator implements, and so only a part of
// what Exchange's description covers.
func (d *Documents) document(w http.ResponseWriter, name string) {
	d.mu.Lock()
	text, ok := d.texts[name]
	d.mu.Unlock()
	if !ok {
		file, err := description.ReadFile("wsdl/" + strings.TrimPrefix(name, "/"))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		text = string(file)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Write([]byte(text))
}
