package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// curl returns the scenarios with curl, whose options cover the variants of
// HTTP in scripts and old libraries. In curl's arguments, $URL, $HOST and $DIR
// are replaced by the scenario's values.
func curl() []scenario { return append(curlDialects(), curlFailures()...) }

const curlUser = username + ":" + password

// curlTask returns a scenario that runs curl with args. want is the expected
// status and, after a space, a part of the response.
func curlTask(name, want string, args ...string) scenario {
	return scenario{
		name: "curl: " + name, settings: []string{listed},
		client: func(ctx context.Context, w *environment) (string, error) { return runCurl(ctx, w, want, args) },
	}
}

// curlGets returns a scenario that sends a GetFolder request and expects its
// response.
func curlGets(name string, args ...string) scenario {
	return curlTask(name, "200 <t:DisplayName>Inbox<", append(args, "--data-binary", "@$DIR/get-folder.xml", "$URL")...)
}

// curlDialects returns scenarios with the variants of HTTP that curl can send.
func curlDialects() []scenario {
	handshake := func(s *scenario) { s.own = []string{"ntlm", ""} }
	return []scenario{
		curlGets("plain"),
		curlGets("Basic", "-u", curlUser, "--basic"),
		curlGets("NTLM", "-u", curlUser, "--ntlm").but(handshake),
		curlGets("Negotiate", "-u", ":", "--negotiate").but(handshake),
		curlGets("anyauth", "-u", curlUser, "--anyauth"),
		curlTask("Digest gets a response", "500 ErrorSchemaValidation", "-u", curlUser, "--digest", "--data-binary", "@$DIR/get-folder.xml", "$URL").but(func(s *scenario) { s.own = []string{"envelope-refused"} }),
		curlGets("chunked", "-H", "Transfer-Encoding: chunked"),
		curlGets("HTTP/1.0", "--http1.0"),
		curlGets("HTTP/2 offered", "--http2"),
		curlGets("Expect", "-H", "Expect: 100-continue"),
		curlGets("compressed", "--compressed").but(func(s *scenario) { s.gzip = true }),
		curlGets("SOAPAction", "-H", "SOAPAction: http://schemas.microsoft.com/exchange/services/2006/messages/GetFolder"),
		curlTask("3 MB at once", "200 <m:ResponseCode>NoError<", "--data-binary", "@$DIR/create-item.xml", "$URL"),
		curlTask("3 MB with NTLM", "200 <m:ResponseCode>NoError<", "-u", curlUser, "--ntlm", "--data-binary", "@$DIR/create-item.xml", "$URL").but(handshake),
		curlTask("3 MB chunked", "200 <m:ResponseCode>NoError<", "-H", "Transfer-Encoding: chunked", "--data-binary", "@$DIR/create-item.xml", "$URL"),
		curlTask("two requests on a connection", "200 <t:DisplayName>Inbox<", "--data-binary", "@$DIR/get-folder.xml", "$URL", "$URL"),
		curlTask("GET of the endpoint", "200 hmaproxy", "$URL"),
		curlTask("HEAD of the endpoint", "200 ", "-I", "$URL"),
		curlTask("WSDL", "200 <wsdl:definitions", "http://$HOST/ews/services.wsdl"),
	}
}

// curlFailures returns the scenarios about failures: of the client, such as a
// mailbox that is not listed, and of Exchange.
func curlFailures() []scenario {
	users := func(s *scenario) {
		s.settings, s.own = []string{"HMA_CLIENT_USERS_FILE=$DIR/users"}, []string{"credentials"}
	}
	return []scenario{
		curlGets("no mailbox named").but(func(s *scenario) {
			s.client = curlPost("500 ErrorInvalidExchangeImpersonationHeaderData", "@$DIR/no-mailbox.xml")
			s.own = []string{"no-mailbox"}
		}),
		curlGets("no mailbox named, default mailbox").but(func(s *scenario) {
			s.client = curlPost("200 <t:DisplayName>Inbox<", "@$DIR/no-mailbox.xml")
			s.settings = append(s.settings, "HMA_DEFAULT_MAILBOX="+alice)
		}),
		curlGets("mailbox not listed").but(func(s *scenario) {
			s.settings = []string{"HMA_ALLOWED_MAILBOXES=" + bob}
			s.client = curlPost("500 ErrorImpersonateUserDenied", "@$DIR/get-folder.xml")
			s.own = []string{"mailbox-not-allowed"}
		}),
		curlGets("operation not allowed").but(func(s *scenario) {
			s.client = curlPost("500 ErrorAccessDenied", "@$DIR/add-delegate.xml")
			s.own = []string{"operation-not-allowed"}
		}),
		curlGets("client users", "-u", curlUser).but(users),
		curlGets("client users, anyauth", "-u", curlUser, "--anyauth").but(users),
		curlTask("client users, none given", "401 credentials", "--data-binary", "@$DIR/get-folder.xml", "$URL").but(users),
		curlTask("client users, NTLM", "401 ", "-u", curlUser, "--ntlm", "--data-binary", "@$DIR/get-folder.xml", "$URL").but(users),
		curlGets("Exchange gone").but(func(s *scenario) {
			s.client = func(ctx context.Context, w *environment) (string, error) {
				w.exchange.Close()
				return runCurl(ctx, w, "500 ErrorServerBusy", []string{"--data-binary", "@$DIR/get-folder.xml", "$URL"})
			}
			s.own = []string{"upstream-unreachable"}
		}),
		curlGets("Exchange refuses the token, twice").but(func(s *scenario) {
			s.client = func(ctx context.Context, w *environment) (string, error) {
				w.services.Exchange().Inject(2, emulator.Fault{Status: 401, Header: map[string][]string{"Www-Authenticate": {"NTLM", "Negotiate"}}})
				return runCurl(ctx, w, "500 ErrorServerBusy", []string{"-u", curlUser, "--anyauth", "--data-binary", "@$DIR/get-folder.xml", "$URL"})
			}
			s.own, s.replays = []string{"upstream-401"}, true
		}),
		curlGets("retry after a load balancer's 502").but(func(s *scenario) {
			s.client = func(ctx context.Context, w *environment) (string, error) {
				w.services.Exchange().Inject(1, emulator.Fault{Status: 502, Body: "<html>bad gateway</html>"})
				return runCurl(ctx, w, "200 <t:DisplayName>Inbox<", []string{"--retry", "2", "--data-binary", "@$DIR/get-folder.xml", "$URL"})
			}
			s.own, s.broken, s.most = []string{"upstream-502"}, true, 1
		}),
		curlGets("a redirection").but(func(s *scenario) {
			s.client = func(ctx context.Context, w *environment) (string, error) {
				w.services.Exchange().Inject(1, emulator.Fault{Status: 302, Header: map[string][]string{"Location": {"https://elsewhere.example/owa"}}})
				return runCurl(ctx, w, "500 ErrorInternalServerTransientError", []string{"-L", "--data-binary", "@$DIR/get-folder.xml", "$URL"})
			}
			s.own, s.broken = []string{"upstream-redirect"}, true
		}),
	}
}

func curlPost(want, body string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		return runCurl(ctx, w, want, []string{"--data-binary", body, "$URL"})
	}
}

// runCurl runs curl and returns its output. want is the expected status of the
// last response, a space, and a part of the output. Other output is an error.
func runCurl(ctx context.Context, w *environment, want string, args []string) (string, error) {
	if err := writeEnvelopes(w.dir); err != nil {
		return "", err
	}
	full := []string{"curl", "-sS", "--max-time", "200", "-H", "Content-Type: text/xml; charset=utf-8", "-w", "\n%{http_code}\n"}
	replace := strings.NewReplacer("$URL", w.url(), "$HOST", w.relay.addr(), "$DIR", w.dir)
	for _, a := range args {
		full = append(full, replace.Replace(a))
	}
	out, err := execute(ctx, w, full)
	if err != nil {
		return out, err
	}
	status, text, _ := strings.Cut(want, " ")
	if got := lastLine(out); got != status || !strings.Contains(out, text) {
		return out, fmt.Errorf("got the response %s: %s", got, out)
	}
	return out, nil
}

// writeEnvelopes writes the request bodies that curl sends.
func writeEnvelopes(dir string) error {
	const getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>` +
		`<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`
	const createItem = `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Subject>large</t:Subject>` +
		`<t:Body BodyType="Text">%s</t:Body></t:Message></m:Items></m:CreateItem>`
	const addDelegate = `<m:AddDelegate><m:Mailbox><t:EmailAddress>alice@contoso.com</t:EmailAddress></m:Mailbox></m:AddDelegate>`
	var errs []error
	for name, text := range map[string]string{
		"get-folder.xml":   envelope(alice, getFolder),
		"no-mailbox.xml":   envelope("", getFolder),
		"add-delegate.xml": envelope(alice, addDelegate),
		"create-item.xml":  envelope(alice, fmt.Sprintf(createItem, strings.Repeat("0123456789 Grüße &amp; more\r\n", 100_000))),
	} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return errors.Join(errs...)
}

func envelope(mailbox, operation string) string {
	header := ewstest.ServerVersion
	if mailbox != "" {
		header += ewstest.Impersonation("PrimarySmtpAddress", mailbox)
	}
	return ewstest.Document(header, operation)
}
