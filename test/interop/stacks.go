package main

import (
	"context"
	"path/filepath"
	"strings"
)

// stacks returns the scenarios with the HTTP libraries of Java and .NET, which
// send envelopes as EWS libraries in these languages write them.
func stacks() []scenario {
	java := func(name string) scenario {
		jars := []string{"httpclient", "httpcore", "commons-logging", "commons-codec"}
		for i, jar := range jars {
			jars[i] = "/usr/share/java/" + jar + ".jar"
		}
		return scenario{
			name: "Java: " + name, settings: []string{listed}, gzip: true,
			client: func(ctx context.Context, w *environment) (string, error) {
				return execute(ctx, w, []string{"java", "-cp", strings.Join(jars, ":"), filepath.Join(w.tools.programs, "Java.java"), name})
			},
		}
	}
	net := func(name string) scenario {
		return scenario{
			name: ".NET HttpWebRequest: " + name, settings: []string{listed}, gzip: true,
			client: func(ctx context.Context, w *environment) (string, error) {
				exe := filepath.Join(w.dir, "DotNet.exe")
				if out, err := execute(ctx, w, []string{"mcs", "-out:" + exe, filepath.Join(w.tools.programs, "DotNet.cs")}); err != nil {
					return out, err
				}
				return execute(ctx, w, []string{"mono", exe, name})
			},
		}
	}
	refused := func(s *scenario) { s.own, s.most = []string{"mailbox-not-allowed"}, 3 }
	return []scenario{
		java("HttpURLConnection"),
		java("HttpURLConnection, chunked"),
		java("HttpURLConnection, mailbox not listed").but(refused),
		java("HttpURLConnection").but(func(s *scenario) {
			s.name += ", client users"
			s.settings, s.own = []string{"HMA_CLIENT_USERS_FILE=$DIR/users"}, []string{"credentials"}
		}),
		java("HttpClient"),
		java("Apache HttpClient"),
		java("Apache HttpClient, Expect"),
		net("no credentials"),
		net("default credentials"),
		net("credentials"),
		net("chunked"),
		net("mailbox not listed").but(refused),
		net("client users").but(func(s *scenario) {
			s.settings, s.own = []string{"HMA_CLIENT_USERS_FILE=$DIR/users"}, []string{"credentials"}
		}),
	}
}
