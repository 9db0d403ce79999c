package main

import (
	"errors"
	"os"
	"path/filepath"

	"hmaproxy/internal/emulator"
)

// described are the clients that are generated from the service description,
// which they fetch through the product: zeep, PHP's SoapClient, node-ews.
func described() []scenario {
	task := func(client, name string, args []string, settings ...string) scenario {
		return scenario{
			name:     client + ": " + name,
			client:   program(append(args, name)...),
			settings: append([]string{listed}, settings...),
		}
	}
	zeep := func(name string, settings ...string) scenario {
		return task("zeep", name, []string{"/usr/bin/python3", "zeep_client.py"}, settings...)
	}
	php := func(name string, settings ...string) scenario {
		return task("PHP SoapClient", name, []string{"php", "soap_client.php"}, settings...)
	}
	node := func(name string, settings ...string) scenario {
		return task("node-ews", name, []string{"node", "nodeews_client.js"}, settings...)
	}
	refused := func(s scenario) scenario { s.own, s.most = []string{"mailbox-not-allowed"}, 1; return s }
	list := []scenario{
		zeep("Services.wsdl"),
		zeep("Exchange.asmx?wsdl"),
		zeep("Basic credentials"),
		zeep("nobody named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(zeep("mailbox not listed")),
		php("no credentials"),
		php("Basic credentials"),
		php("nobody named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(php("mailbox not listed")),
		node("Basic"),
		node("NTLM"),
		node("nobody named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(node("mailbox not listed")),
	}
	for _, s := range []scenario{zeep("Services.wsdl"), php("no credentials"), node("Basic")} {
		if s.before = exchangesOwnDescription(); s.before != nil {
			s.name += ", Exchange's own description"
			list = append(list, s)
		}
	}
	return list
}

// exchangesOwnDescription returns what makes Exchange serve the description
// that Microsoft publishes, which is not part of this repository, or nil where
// the folder wsdl is not next to it.
func exchangesOwnDescription() func(*emulator.Emulator) {
	texts := map[string]string{}
	for _, name := range []string{"services.wsdl", "messages.xsd", "types.xsd"} {
		text, err := os.ReadFile(filepath.Join("..", "shared", "wsdl", name))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		texts[name] = string(text)
	}
	return func(e *emulator.Emulator) {
		for name, text := range texts {
			e.Exchange().SetDocument(name, text)
		}
	}
}
