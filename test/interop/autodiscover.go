package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// autodiscover returns the scenarios with clients that are configured with only
// a mail address. Each client looks for Exchange itself and finds the product.
func autodiscover() []scenario {
	python := func(task string) func(context.Context, *environment) (string, error) {
		return program("/usr/bin/python3", "autodiscover_client.py", task)
	}
	lacks := ""
	if exec.Command("unshare", "--mount", "true").Run() != nil {
		lacks = "mount namespaces, which need root"
	}
	task := func(client string, run func(context.Context, *environment) (string, error), own ...string) scenario {
		return scenario{
			name: "Autodiscover: " + client, client: run, finds: true, lacks: lacks, own: append(own, ""),
			settings: []string{listed, "HMA_AUTODISCOVER=auto", "HMA_HOST_NAMES=" + discoverName + "," + mailDomain},
		}
	}
	off := func(s *scenario) {
		s.name += ", mailbox not listed"
		s.own, s.most = append(s.own, "mailbox-not-allowed"), 3
	}
	byDefault := func(s *scenario) { s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice) }
	users := func(s *scenario) {
		s.name += ", client users"
		s.settings, s.own = append(s.settings, "HMA_CLIENT_USERS_FILE=$DIR/users"), append(s.own, "credentials")
	}
	list := []scenario{
		task("exchangelib, POX", python("pox")).but(byDefault),
		task("exchangelib, POX", python("pox refused")).but(off),
		task("exchangelib, POX", python("pox users")).but(byDefault).but(users),
		task("exchangelib, SOAP", python("soap")).but(byDefault),
		task("exchangelib, SOAP", python("soap refused")).but(off),
		task("ews-javascript-api", program("node", "autodiscover_client.js", "found")),
		task("ews-javascript-api", program("node", "autodiscover_client.js", "refused")).but(off),
		task("ews-javascript-api", program("node", "autodiscover_client.js", "found")).but(users),
		task("Java HttpURLConnection", runJavaDiscovery("found")),
		task("Java HttpURLConnection", runJavaDiscovery("refused")).but(off),
		task(".NET HttpWebRequest", runNetDiscovery("found")),
		task(".NET HttpWebRequest", runNetDiscovery("refused")).but(off),
		task("hmaproxy doctor", runDoctor),
		task("curl, POX", curlDiscovery("POX", alice, handedOut)),
		task("curl, POX", curlDiscovery("POX", bob, "<ErrorCode>500<")).but(off),
		task("curl, SOAP", curlDiscovery("SOAP", alice, handedOut)),
		task("curl, JSON", curlDiscovery("JSON", alice, handedOut)),
		task("curl, JSON", curlDiscovery("JSON", bob, "UserNotFound")).but(off),
	}
	for _, l := range []*library{managedAPI(), javaAPI()} {
		fromSource := func(s *scenario) { s.lacks, s.gzip = cmp.Or(s.lacks, l.lacks()), true }
		found, refused := task(l.name, l.task("found")).but(fromSource), task(l.name, l.task("refused")).but(fromSource).but(off)
		list = append(list, found, found.but(users), refused)
	}
	return list
}

const (
	mailDomain   = "contoso.com"                                        // domain of the mail addresses; it has no IP address
	discoverName = "autodiscover.contoso.com"                           // the only name with an IP address in the scenarios
	handedOut    = "https://autodiscover.contoso.com/EWS/Exchange.asmx" // URL of EWS in the product's responses
)

// A finding enables the clients of one scenario to find the product. It has a
// name server, on which discoverName has the address of this scenario. It also
// has a certificate for discoverName and mailDomain.
type finding struct {
	address string // such as 127.77.0.1
	dir     string // folder with ca.pem, tls.pem, tls.key, hosts and resolv.conf
	dns     net.PacketConn
}

// The variable "environments" counts the findings. Each finding gets its own
// address.
var environments atomic.Int32

// newFinding makes the certificate with the product's command tls-setup, and
// starts the name server.
func newFinding(ctx context.Context, t *tools, dir string) (*finding, error) {
	f := &finding{address: fmt.Sprintf("127.77.0.%d", environments.Add(1)), dir: filepath.Join(dir, "tls")}
	if out, err := exec.CommandContext(ctx, t.binary, "tls-setup", "-dir", f.dir, discoverName, mailDomain).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("tls-setup: %w: %s", err, out)
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(f.dir, "hosts"), []byte("127.0.0.1 localhost\n"+f.address+" "+discoverName+"\n"), 0o644),
		os.WriteFile(filepath.Join(f.dir, "resolv.conf"), []byte("nameserver "+f.address+"\noptions timeout:5 attempts:3\n"), 0o644),
	)
	if err != nil {
		return nil, err
	}
	f.dns, err = serveNames(f.address, map[string]string{discoverName: f.address})
	return f, err
}

func (f *finding) close() { f.dns.Close() }

// settings returns the settings that make the product listen with TLS and the
// certificate of f.
func (f *finding) settings() []string {
	return []string{"HMA_TLS_CERT_FILE=" + filepath.Join(f.dir, "tls.pem"), "HMA_TLS_KEY_FILE=" + filepath.Join(f.dir, "tls.key")}
}

// relayTo returns a relay that clients reach over TLS at port 443 of the
// address, and that connects to the product over TLS.
func (f *finding) relayTo(product string) (*relay, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "tls.pem"), filepath.Join(f.dir, "tls.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(f.dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	ln, err := tls.Listen("tcp", f.address+":443", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	return startRelay(ln, func() (net.Conn, error) {
		return tls.Dial("tcp", product, &tls.Config{RootCAs: roots, ServerName: discoverName, NextProtos: []string{"http/1.1"}})
	}), nil
}

// environment returns environment variables with which clients trust the
// certificates of the certificate authority in ca.pem.
func (f *finding) environment() []string {
	ca := filepath.Join(f.dir, "ca.pem")
	return []string{"CA_FILE=" + ca, "REQUESTS_CA_BUNDLE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca, "CURL_CA_BUNDLE=" + ca, "SSL_CERT_FILE=" + ca}
}

// command returns a command that runs args with the scenario's own /etc/hosts
// and /etc/resolv.conf, so that discoverName resolves to f.address.
func (f *finding) command(args []string) []string {
	const script = `mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf && shift && exec "$@"`
	return append([]string{"unshare", "--mount", "sh", "-c", script, "sh", f.dir}, args...)
}

// runDoctor runs the command "hmaproxy doctor", which checks the locations that
// clients try. The command trusts the certificates in SSL_CERT_FILE.
func runDoctor(ctx context.Context, w *environment) (string, error) {
	out, err := execute(ctx, w, []string{w.tools.binary, "doctor", "-autodiscover", alice})
	text := strings.Join(strings.Fields(out), " ") // doctor breaks long lines
	if err == nil && !strings.Contains(text, "clients get "+handedOut+", which leads to hmaproxy") {
		err = fmt.Errorf("doctor says: %s", out)
	}
	return out, err
}

func runJavaDiscovery(task string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		store := filepath.Join(w.dir, "trust")
		out, err := execute(ctx, w, []string{"keytool", "-importcert", "-noprompt", "-keystore", store, "-storepass", "changeit", "-alias", "hmaproxy", "-file", filepath.Join(w.finding.dir, "ca.pem")})
		if err != nil {
			return out, err
		}
		return execute(ctx, w, []string{"java", "-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=changeit",
			filepath.Join(w.tools.programs, "Autodiscover.java"), task})
	}
}

func runNetDiscovery(task string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		exe := filepath.Join(w.dir, "Autodiscover.exe")
		if out, err := execute(ctx, w, []string{"mcs", "-out:" + exe, filepath.Join(w.tools.programs, "Autodiscover.cs")}); err != nil {
			return out, err
		}
		return execute(ctx, w, []string{"mono", exe, task})
	}
}

// curlDiscovery returns a client that asks with curl, in one of the three
// forms, for the settings of a mailbox. The client expects want in the
// response. If want is handedOut, it also opens the Inbox at that URL.
func curlDiscovery(form, mailbox, want string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		body := filepath.Join(w.dir, "question.xml")
		documents := map[string]string{
			"POX": `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + mailbox +
				`</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`,
			"SOAP": `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover"><s:Body>` +
				`<a:GetUserSettingsRequestMessage><a:Request><a:Users><a:User><a:Mailbox>` + mailbox + `</a:Mailbox></a:User></a:Users><a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting>` +
				`</a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></s:Body></s:Envelope>`,
		}
		if err := errors.Join(os.WriteFile(body, []byte(documents[form]), 0o600), writeEnvelopes(w.dir)); err != nil {
			return "", err
		}
		base := []string{"curl", "-sS", "--max-time", "200", "-H", "Content-Type: text/xml; charset=utf-8"}
		targets := map[string][]string{
			"POX":  {"--data-binary", "@" + body, "https://" + discoverName + "/autodiscover/autodiscover.xml"},
			"SOAP": {"--data-binary", "@" + body, "https://" + discoverName + "/autodiscover/autodiscover.svc"},
			"JSON": {"https://" + discoverName + "/autodiscover/autodiscover.json?Email=" + mailbox + "&Protocol=EWS"},
		}
		out, err := execute(ctx, w, append(base, targets[form]...))
		if err != nil {
			return out, err
		}
		if !strings.Contains(out, want) {
			return out, fmt.Errorf("no %q in %s", want, out)
		}
		if want != handedOut {
			return out, nil
		}
		inbox, err := execute(ctx, w, append(base, "--data-binary", "@"+filepath.Join(w.dir, "get-folder.xml"), handedOut))
		if err == nil && !strings.Contains(inbox, "<t:DisplayName>Inbox<") {
			err = fmt.Errorf("no Inbox in %s", inbox)
		}
		return out + "\n" + inbox, err
	}
}
