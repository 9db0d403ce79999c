package statuspage

import (
	"net/http"
	"testing"
)

// TestProbesServeAnyClient checks that probes and metrics do not depend on the
// peer and the Host: kubelets, load balancers and Prometheus connect from other
// machines and use any Host.
func TestProbesServeAnyClient(t *testing.T) {
	a := newTestAdmin(t)
	for path, want := range map[string]int{"/startup": 200, "/live": 200, "/ready": 503, "/metrics": 200} {
		w := ask(a, path, "peer", "10.1.2.3:50000", "Host", "10.9.8.7:8081")
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestWhoMayQuit(t *testing.T) {
	cases := []struct {
		name   string
		header []string
		want   int
	}{
		{"a program here", nil, http.StatusOK},
		{"by name", []string{"Host", "localhost:8081"}, http.StatusOK},
		{"over IPv6", []string{"Host", "[::1]:8081", "peer", "[::1]:5"}, http.StatusOK},
		{"from elsewhere", []string{"peer", "10.1.2.3:5"}, http.StatusForbidden},
		{"from elsewhere, mapped", []string{"peer", "[::ffff:10.1.2.3]:5"}, http.StatusForbidden},
		{"delivered to an address of the network", []string{"local", "10.1.2.3:8081"}, http.StatusForbidden},
		{"at an unknown address", []string{"local", ""}, http.StatusForbidden},
		{"a rebound page", []string{"Host", "evil.example:8081"}, http.StatusForbidden},
		{"a name that begins well", []string{"Host", "localhost.evil.example"}, http.StatusForbidden},
		{"no Host", []string{"Host", ""}, http.StatusForbidden},
		{"a page's fetch", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a page without an origin", []string{"Origin", "null"}, http.StatusForbidden},
		{"a page's form", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a person's browser", []string{"Sec-Fetch-Dest", "document"}, http.StatusForbidden},
		{"a GET", []string{"method", http.MethodGet}, http.StatusMethodNotAllowed},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ended := 0
			a := newTestAdmin(t)
			a.PermitQuit(func() { ended++ })
			w := ask(a, "/quit", append([]string{"method", http.MethodPost}, tc.header...)...)
			if w.Code != tc.want || (ended == 1) != (tc.want == http.StatusOK) {
				t.Errorf("status %d, ended %d times", w.Code, ended)
			}
		})
	}
	if w := ask(newTestAdmin(t), "/quit", "method", http.MethodPost); w.Code != http.StatusNotFound {
		t.Errorf("without HMA_ADMIN_QUIT the status is %d", w.Code)
	}
}
