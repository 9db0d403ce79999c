package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"hmaproxy/proxy/policy"
)

// BenchmarkGetFolder sends the same request directly, through a plain
// httputil.ReverseProxy that attaches a token without inspection, and through
// this proxy with an allow-list. The results include client and upstream. To
// get the cost of a proxy, subtract the result of the sub-benchmark "direct".
func BenchmarkGetFolder(b *testing.B) {
	body := envelope("alice@contoso.com", getFolder)
	b.Run("direct", func(b *testing.B) {
		u := newUpstream(b, respondFolder)
		benchmark(b, u.Client(), u.URL, body)
	})
	b.Run("ReverseProxy", func(b *testing.B) {
		u := newUpstream(b, respondFolder)
		target, _ := url.Parse(u.URL)
		front := httptest.NewServer(&httputil.ReverseProxy{
			Transport: u.Client().Transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Header.Set("Authorization", "Bearer "+goodToken)
			},
		})
		defer front.Close()
		benchmark(b, front.Client(), front.URL, body)
	})
	b.Run("hmaproxy", func(b *testing.B) {
		r := newTestProxy(b, testConfig{policy: only(b, "alice@contoso.com"), respond: respondFolder})
		go func() {
			for range r.done {
			}
		}()
		benchmark(b, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, "http://"+r.address, body)
	})
}

// BenchmarkGetItemOf100IDs sends a GetItem of 100 ids through this proxy with
// the allow-list alone, with the scope "targets", and with "guid:" entries,
// which make the policy decide about the mailbox in each id. The results
// include client and upstream. To get the cost of the proxy, subtract the
// result of the sub-benchmark "direct".
func BenchmarkGetItemOf100IDs(b *testing.B) {
	const id = `<t:ItemId Id="AAMkADRhM2JmZTdhLTBhNjAtNGQyNy1hMjFhLTZjMWRmZDE0ZTNhNABGAAAAAADaJ5hCWQ8ZQZ4C2kvbN9pxBwAPjjxtH5PiTr0lBbBYpF5kAAAAAAEMAAAPjjxtH5PiTr0lBbBYpF5kAAABZ1u3AAA=" ChangeKey="CQAAABYAAAAPjjxtH5PiTr0lBbBYpF5kAAABZ2pY"/>`
	body := envelope("alice@contoso.com", `<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ItemIds>`+strings.Repeat(id, 100)+`</m:ItemIds></m:GetItem>`)
	b.Run("direct", func(b *testing.B) {
		u := newUpstream(b, respondFolder)
		benchmark(b, u.Client(), u.URL, body)
	})
	for _, c := range []struct {
		name, list string
		targets    bool
	}{
		{"impersonated", "alice@contoso.com", false},
		{"targets", "alice@contoso.com", true},
		{"targets and ids", "alice@contoso.com, guid:4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			list := mustPolicy(b, policy.Config{Allowed: patterns(b, c.list), Targets: c.targets})
			r := newTestProxy(b, testConfig{policy: list, respond: respondFolder})
			go func() {
				for range r.done {
				}
			}()
			benchmark(b, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, "http://"+r.address, body)
		})
	}
}

// respondFolder responds with 3.2 KB, as Exchange does to GetFolder.
func respondFolder(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write(append([]byte("<Envelope/>"), bytes.Repeat([]byte("\n"), 3200-len("<Envelope/>"))...))
}

func benchmark(b *testing.B, client *http.Client, base string, body []byte) {
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			resp, err := client.Post(base+"/EWS/Exchange.asmx", "text/xml; charset=utf-8", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 3200 {
				b.Errorf("%d bytes, %v", n, err)
			}
			resp.Body.Close()
		}
	})
}
