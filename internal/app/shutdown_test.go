package app

import (
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/emulator"
)

var ofTheProduct = regexp.MustCompile(`net/http\.\(\*persistConn\)|hmaproxy/(token|certsource|proxy)\.|app\.\(\*app\)`)

// TestShutdownLeavesNoGoroutines checks that no goroutine of the product and no
// connection to the services remains when Run has returned.
func TestShutdownLeavesNoGoroutines(t *testing.T) {
	for _, mode := range []string{"memory", "vault"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{Cert: newTestCertificate(t, 0, emulator.CertOptions{NonExportable: mode == "vault"})})
				s.env["HMA_KEY_MODE"] = mode
				defer s.close()
				s.start().settle()
				s.stop()
				synctest.Wait()
				var text strings.Builder
				if err := pprof.Lookup("goroutine").WriteTo(&text, 2); err != nil {
					t.Fatal(err)
				}
				for _, trace := range strings.Split(text.String(), "\n\n") {
					if strings.Contains(trace, "synctest bubble") && ofTheProduct.MatchString(trace) {
						t.Errorf("left behind: %.600s", trace)
					}
				}
			})
		})
	}
}
