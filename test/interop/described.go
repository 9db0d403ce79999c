package main

// described returns the scenarios of zeep, PHP's SoapClient and node-ews. These
// clients generate their code from the service description, which they fetch
// through the product.
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
		zeep("no mailbox named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(zeep("mailbox not listed")),
		php("no credentials"),
		php("Basic credentials"),
		php("no mailbox named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(php("mailbox not listed")),
		node("Basic"),
		node("NTLM"),
		node("no mailbox named", "HMA_DEFAULT_MAILBOX="+alice),
		refused(node("mailbox not listed")),
	}
	for _, s := range []scenario{zeep("Services.wsdl"), php("no credentials"), node("Basic")} {
		s.name += ", Exchange's own description"
		if s.before = exchangesOwnDescription(); s.before == nil {
			s.lacks = "Exchange's service description, ../shared/wsdl"
		}
		list = append(list, s)
	}
	return list
}
