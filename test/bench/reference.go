//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

// reference runs a minimal proxy that uses only the standard library. The
// environment holds the token. reference returns only on an error.
func reference(args []string) error {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	listen := flags.String("listen", "", "host:port for clients")
	upstream := flags.String("upstream", "", "host:port of Exchange")
	ca := flags.String("ca", "", "file with the trusted root")
	inspect := flags.Bool("inspect", false, "judge the mailbox")
	if err := flags.Parse(args); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	text, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	if !roots.AppendCertsFromPEM(text) {
		return errors.New("no certificate in " + *ca)
	}
	access, err := os.Create("access.log")
	if err != nil {
		return err
	}
	defer access.Close()
	proxy := forwarder(*upstream, "Bearer "+os.Getenv("TOKEN"), roots)
	server := http.Server{Addr: *listen, Handler: logged(access, allowed(*inspect, proxy))}
	return server.ListenAndServe()
}

func forwarder(upstream, authorization string, roots *x509.CertPool) http.Handler {
	target := &url.URL{Scheme: "https", Host: upstream}
	return &httputil.ReverseProxy{
		FlushInterval: -1, // forward events immediately, as the other peers do
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = exchangeName
			r.Out.Header.Set("Authorization", authorization)
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 256, DisableCompression: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: exchangeName},
		},
	}
}

func logged(w io.Writer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// A response may begin while the body is still being received, as with the other peers.
		if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(rw, r)
		fmt.Fprintf(w, "%s %s %s\n", r.RemoteAddr, r.Method, r.URL.Path)
	})
}

// allowed returns a handler that refuses requests for other mailboxes than
// alice's, if inspect is true, and forwards all others to next.
func allowed(inspect bool, next http.Handler) http.Handler {
	if !inspect {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var read bytes.Buffer
		mailbox, err := impersonated(io.TeeReader(r.Body, &read))
		anchor := r.Header.Get("X-AnchorMailbox")
		if err != nil || !strings.EqualFold(mailbox, alice) || anchor != "" && !strings.EqualFold(anchor, alice) {
			http.Error(w, "not this mailbox", http.StatusForbidden)
			return
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&read, r.Body), r.Body}
		next.ServeHTTP(w, r)
	})
}

// impersonated reads the document up to the mailbox in ConnectingSID, and returns
// that mailbox.
func impersonated(r io.Reader) (string, error) {
	decoder := xml.NewDecoder(r)
	inside := false
	for {
		token, err := decoder.RawToken()
		if err != nil {
			return "", err
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if inside {
			text, err := decoder.RawToken()
			if data, ok := text.(xml.CharData); ok {
				return string(data), nil
			}
			return "", errors.Join(errors.New("no mailbox in ConnectingSID"), err)
		}
		inside = element.Name.Local == "ConnectingSID"
	}
}
