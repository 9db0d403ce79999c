package sidecar

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestProbesAnswerAnyone: kubelets and load balancers come from elsewhere and
// under any Host.
func TestProbesAnswerAnyone(t *testing.T) {
	a := idle(t, nil)
	for path, want := range map[string]int{"/startup": 200, "/live": 200, "/ready": 503, "/metrics": 200} {
		w := a.ask(path, "peer", "10.1.2.3:50000", "Host", "10.9.8.7:8081")
		if w.Code != want {
			t.Errorf("%s is answered %d, want %d", path, w.Code, want)
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
			r := httptest.NewRequest(http.MethodPost, "/quit", nil)
			r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
			for i := 0; i < len(tc.header); i += 2 {
				switch name, value := tc.header[i], tc.header[i+1]; name {
				case "method":
					r.Method = value
				case "peer":
					r.RemoteAddr = value
				case "Host":
					r.Host = value
				default:
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			(&admin{app: idle(t, nil), quit: func() { ended++ }}).ServeHTTP(w, r)
			if w.Code != tc.want || (ended == 1) != (tc.want == http.StatusOK) {
				t.Errorf("answered %d, ended %d times", w.Code, ended)
			}
		})
	}
	if w := idle(t, nil).ask("/quit", "method", http.MethodPost); w.Code != http.StatusNotFound {
		t.Errorf("without HMA_ADMIN_QUIT it is answered %d", w.Code)
	}
}
