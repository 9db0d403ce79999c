package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"hmaproxy/internal/emulator"
)

// toolkits returns the scenarios of general SOAP libraries: SOAP::Lite, gSOAP,
// Axis 1.4 and stubs of JAX-WS.
func toolkits() []scenario {
	var list []scenario
	for _, t := range []struct {
		name string
		run  func(task string) func(context.Context, *environment) (string, error)
	}{
		{"SOAP::Lite", func(task string) func(context.Context, *environment) (string, error) {
			return program("perl", "soaplite_client.pl", task)
		}},
		{"gSOAP", gSOAP},
		{"Axis 1.4", axis},
		{"JAX-WS", jaxWS},
	} {
		list = append(list, fiveTasks(t.name, t.run)...)
	}
	for i := range list {
		if list[i].name == "JAX-WS: no mailbox named" { // the client first sends a request whose impersonation is nil
			list[i].own, list[i].most = []string{"envelope-refused"}, 1
		}
	}
	list = append(list, scenario{name: "gSOAP: mailbox named, chunked", client: gSOAP("mailbox named, chunked"), settings: []string{listed}})
	if exchangesOwnDescription() == nil {
		for i, s := range list {
			if strings.HasPrefix(s.name, "JAX-WS: ") {
				list[i].lacks = "Exchange's service description, ../shared/wsdl"
			}
		}
	}
	return list
}

// fiveTasks returns five scenarios of a client, all with an allow-list. In the
// first one the client names a listed mailbox. In the others there is a default
// mailbox, a refused mailbox, a token that is revoked during the run, or
// throttling.
func fiveTasks(client string, run func(task string) func(context.Context, *environment) (string, error)) []scenario {
	task := func(name string, settings ...string) scenario {
		return scenario{name: client + ": " + name, client: run(name), settings: append([]string{listed}, settings...)}
	}
	return []scenario{
		task("mailbox named"),
		task("no mailbox named", "HMA_DEFAULT_MAILBOX="+alice),
		task("mailbox not listed").but(func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 1 }),
		task("token revoked").but(func(s *scenario) { s.replays = true }),
		task("busy"),
	}
}

// javaPath returns a class path. It consists of the paths in the argument "more"
// and the paths of Debian's jars. jars has their names, separated by spaces.
func javaPath(jars string, more ...string) string {
	for _, jar := range strings.Fields(jars) {
		more = append(more, "/usr/share/java/"+jar+".jar")
	}
	return strings.Join(more, ":")
}

func axis(task string) func(context.Context, *environment) (string, error) {
	path := javaPath("axis axis-jaxrpc axis-saaj commons-discovery commons-logging wsdl4j javax.mail javax.activation")
	return func(ctx context.Context, w *environment) (string, error) {
		return execute(ctx, w, []string{"java", "-cp", path, filepath.Join(w.tools.programs, "Axis.java"), task})
	}
}

// jaxWSJars are the jars of the reference implementation of JAX-WS and of its code
// generator. Both were part of Java until version 10.
const jaxWSJars = "jaxws-tools jaxws-rt jaxws-api jaxws-ri-runtime jaxb-api jaxb-core jaxb-impl jaxb-runtime jaxb-xjc jaxb-jxc saaj saaj-impl " +
	"stax-ex stax2-api streambuffer metro-policy mimepull gmbal jws-api geronimo-annotation-1.3-spec woodstox-core xml-resolver txw2 " +
	"istack-commons-runtime istack-commons-tools relaxngDatatype rngom xsom dtd-parser codemodel javax.activation"

func jaxWS(task string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		dir, err := w.tools.jaxWSStubs()
		if err != nil {
			return "", err
		}
		return execute(ctx, w, []string{"java", "-XX:TieredStopAtLevel=1", "-cp", javaPath(jaxWSJars, dir), "JaxWs", task, filepath.Join(dir, "services.wsdl")})
	}
}

func gSOAP(task string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		dir, err := w.tools.gSOAPClient()
		if err != nil {
			return "", err
		}
		return execute(ctx, w, []string{filepath.Join(dir, "client"), task})
	}
}

// A built is a client that must be compiled once for all scenarios. The result
// is kept in the cache for the next run.
type built struct {
	once sync.Once
	dir  string
	err  error
}

// compile returns the folder with the compiled client. If the cache has no result
// for these sources, compile calls build with an empty folder and puts the folder
// into the cache.
func (b *built) compile(cache, name string, sources [][]byte, build func(dir string) error) (string, error) {
	b.once.Do(func() {
		sum := sha256.Sum256(bytes.Join(sources, []byte{0}))
		b.dir = filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:8]))
		if _, err := os.Stat(b.dir); err == nil {
			return
		}
		if b.err = os.MkdirAll(cache, 0o755); b.err != nil {
			return
		}
		var work string
		if work, b.err = os.MkdirTemp(cache, name); b.err != nil {
			return
		}
		defer os.RemoveAll(work)
		if b.err = build(work); b.err == nil {
			b.err = os.Rename(work, b.dir)
		}
	})
	return b.dir, b.err
}

// runIn runs a program in the folder dir. name and args are the
// program's name and arguments.
func runIn(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, lastLine(strings.TrimSpace(string(out))))
	}
	return nil
}

func (t *tools) gSOAPClient() (dir string, err error) {
	names := []string{"ews.gsoap.h", "gsoap_client.cpp"}
	sources, err := t.sources(names)
	if err != nil {
		return "", err
	}
	return t.gsoap.compile(t.cache, "gsoap", sources, func(dir string) error {
		for i, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), sources[i], 0o644); err != nil {
				return err
			}
		}
		if err := runIn(dir, "soapcpp2", "-C", "-x", names[0]); err != nil {
			return err
		}
		return runIn(dir, "g++", "-w", "-o", "client", names[1], "soapC.cpp", "soapClient.cpp", "-lgsoap++")
	})
}

// xmlSchema is a schema of the namespace of the prefix xml. Exchange's description
// uses the attribute xml:lang and does not contain its schema.
const xmlSchema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">` +
	`<xs:attribute name="lang" type="xs:language"/></xs:schema>`

// jaxWSService is a service element, which generators of stubs need and
// Exchange's description does not have.
const jaxWSService = `<wsdl:service name="ExchangeServices"><wsdl:port name="ExchangeServicePort" binding="tns:ExchangeServiceBinding">` +
	`<soap:address location="http://127.0.0.1/EWS/Exchange.asmx"/></wsdl:port></wsdl:service></wsdl:definitions>`

// jaxWSStubs generates stubs from Exchange's own description, and compiles the
// stubs and the client.
func (t *tools) jaxWSStubs() (dir string, err error) {
	program, err := t.sources([]string{"JaxWs.java"})
	if err != nil {
		return "", err
	}
	sources := slices.Clone(program)
	files := map[string]string{"xml.xsd": xmlSchema}
	for _, name := range descriptionFiles {
		text, err := os.ReadFile(filepath.Join(descriptionFolder, name))
		if err != nil {
			return "", err
		}
		sources = append(sources, text)
		files[name] = strings.NewReplacer("</wsdl:definitions>", jaxWSService,
			`<xs:import namespace="http://www.w3.org/XML/1998/namespace"/>`, `<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="xml.xsd"/>`).Replace(string(text))
	}
	return t.jaxws.compile(t.cache, "jaxws", sources, func(dir string) error {
		files["JaxWs.java"] = string(program[0])
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		path := javaPath(jaxWSJars)
		if err := runIn(dir, "java", "-cp", path, "com.sun.tools.ws.WsImport", "-s", ".", "-Xnocompile", "-B-XautoNameResolution",
			"-extension", "-XadditionalHeaders", "services.wsdl"); err != nil {
			return err
		}
		stubs, err := filepath.Glob(filepath.Join(dir, "com/microsoft/schemas/exchange/services/_2006/*/*.java"))
		if err != nil || len(stubs) == 0 {
			return errors.Join(err, errors.New("wsimport generated no stubs"))
		}
		if err := os.WriteFile(filepath.Join(dir, "stubs"), []byte(strings.Join(stubs, "\n")), 0o644); err != nil {
			return err
		}
		return runIn(dir, "javac", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-cp", path, "-d", ".", "@stubs", "JaxWs.java")
	})
}

// sources returns the content of source files of the client programs.
func (t *tools) sources(names []string) ([][]byte, error) {
	var all [][]byte
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(t.programs, name))
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// descriptionFiles are Exchange's service description. Its folder is not part of this repository.
var (
	descriptionFiles  = []string{"services.wsdl", "messages.xsd", "types.xsd"}
	descriptionFolder = filepath.Join("..", "shared", "wsdl")
)

// exchangesOwnDescription returns a function that makes Exchange serve
// Microsoft's published description. It returns nil if the folder
// ../shared/wsdl, next to this repository, does not have the description.
func exchangesOwnDescription() func(*emulator.Emulator) {
	texts := map[string]string{}
	for _, name := range descriptionFiles {
		text, err := os.ReadFile(filepath.Join(descriptionFolder, name))
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
