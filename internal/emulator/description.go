package emulator

import (
	"embed"
	"net/http"
	"strings"
)

// description is a service description of some operations, written for the
// emulator.
//
//go:embed wsdl
var description embed.FS

// SetDocument replaces a document of the service description:
// "services.wsdl", "messages.xsd" or "types.xsd".
func (x *Exchange) SetDocument(name, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.documents[name] = text
}

// document serves the service description. It is well-formed, covers only what the
// emulator implements, and is a small part of Exchange's.
func (x *Exchange) document(w http.ResponseWriter, name string) {
	x.mu.Lock()
	text, ok := x.documents[name]
	x.mu.Unlock()
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
