package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A library is one of Microsoft's two client libraries for EWS. Neither Debian
// nor npm distributes them. An environment variable names a folder with the
// cloned sources, which are compiled when a scenario first needs them.
type library struct {
	name      string
	variable  string
	of        string // GitHub repository
	packages  []string
	extension string // extension of the source files
	client    string // file name of the client's program in the folder clients
	compile   func(dir string, sources []string) error
	run       func(w *environment, dir, task string) []string
	built     built
}

// managedAPI returns the EWS Managed API, for .NET. Mono compiles and runs it.
func managedAPI() *library {
	return &library{
		name: "EWS Managed API", variable: "EWS_MANAGED_API", of: "OfficeDev/ews-managed-api", extension: ".cs", client: "ManagedApi.cs",
		packages: []string{
			"libmono-system-data4.0-cil", "libmono-system-drawing4.0-cil", "libmono-system-ldap4.0-cil", "libmono-system-security4.0-cil",
			"libmono-system-web4.0-cil", "libmono-system-web-services4.0-cil",
		},
		compile: func(dir string, sources []string) error {
			const references = "-r:System.dll,System.Core.dll,System.Data.dll,System.DirectoryServices.dll,System.Drawing.dll,System.Security.dll," +
				"System.Web.dll,System.Web.Services.dll,System.Xml.dll"
			if err := runIn(dir, "mcs", append([]string{"-target:library", "-warn:0", "-out:Microsoft.Exchange.WebServices.dll", references}, sources...)...); err != nil {
				return err
			}
			return runIn(dir, "mcs", "-out:ManagedApi.exe", "-r:Microsoft.Exchange.WebServices.dll", "ManagedApi.cs")
		},
		run: func(_ *environment, dir, task string) []string {
			return []string{"mono", filepath.Join(dir, "ManagedApi.exe"), task}
		},
	}
}

// javaAPI returns ews-java-api. It needs Java 8. Later Java compilers can still
// produce code for Java 8.
func javaAPI() *library {
	path := javaPath("httpclient httpcore commons-logging commons-lang3 commons-io commons-codec joda-time jaxb-api jaxws-api")
	return &library{
		name: "ews-java-api", variable: "EWS_JAVA_API", of: "OfficeDev/ews-java-api", extension: ".java", client: "EwsJavaApi.java",
		packages: []string{"libcommons-lang3-java", "libcommons-io-java", "libjoda-time-java", "libjaxb-api-java", "libjaxws-api-java"},
		compile: func(dir string, sources []string) error {
			args := []string{"--release", "8", "-nowarn", "-encoding", "UTF-8", "-cp", path, "-d", "."}
			return runIn(dir, "javac", append(append(args, sources...), "EwsJavaApi.java")...)
		},
		run: func(w *environment, dir, task string) []string {
			const script = `keytool -importcert -noprompt -keystore trust -storepass changeit -alias hmaproxy -file "$1" && ` +
				`exec java -Djavax.net.ssl.trustStore=trust -Djavax.net.ssl.trustStorePassword=changeit -cp "$2" EwsJavaApi "$3"`
			return []string{"sh", "-c", script, "sh", filepath.Join(w.finding.dir, "ca.pem"), dir + ":" + path, task}
		},
	}
}

// folder returns the folder of the sources, "" if there is none.
func (l *library) folder() string { return os.Getenv(l.variable) }

// lacks returns the reason why the library cannot be used, or "".
func (l *library) lacks() string {
	if l.folder() == "" {
		return "the sources of " + l.of + ": name a clone in " + l.variable
	}
	return ""
}

// libraryPackages returns Debian's packages for the libraries whose sources are
// available.
func libraryPackages() []string {
	var all []string
	for _, l := range []*library{managedAPI(), javaAPI()} {
		if l.lacks() == "" {
			all = append(all, l.packages...)
		}
	}
	return all
}

// task returns a function that runs a task of the library's client.
func (l *library) task(task string) func(context.Context, *environment) (string, error) {
	return func(ctx context.Context, w *environment) (string, error) {
		dir, err := l.build(w.tools)
		if err != nil {
			return "", fmt.Errorf("compile %s: %w", l.of, err)
		}
		return execute(ctx, w, l.run(w, dir, task))
	}
}

// build compiles the library and its client, once for all scenarios.
func (l *library) build(t *tools) (string, error) {
	folder, err := filepath.Abs(l.folder())
	if err != nil {
		return "", err
	}
	var sources []string
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, l.extension) && !strings.Contains(path, "/src/test/") && !entry.IsDir() {
			sources = append(sources, path)
		}
		return err
	})
	if err != nil || len(sources) == 0 {
		return "", fmt.Errorf("%s names a folder without sources: %v", l.variable, err)
	}
	var texts [][]byte
	for _, path := range append(slices.Clone(sources), filepath.Join(t.programs, l.client)) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return l.built.compile(t.cache, strings.ToLower(l.variable), texts, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, l.client), texts[len(texts)-1], 0o644); err != nil {
			return err
		}
		return l.compile(dir, sources)
	})
}
