package main

import (
	"context"
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"
)

func runVersion(_ context.Context, inv *invocation) error {
	_, err := fmt.Fprintf(inv.out, "hmaproxy %s %s %s/%s, %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, fipsMode())
	return err
}

// fipsMode returns a text with the version of the Go Cryptographic Module and
// its FIPS 140-3 mode (off, on or only): https://go.dev/doc/security/fips140
func fipsMode() string {
	mode := "off"
	switch {
	case fips140.Enforced():
		mode = "only"
	case fips140.Enabled():
		mode = "on"
	}
	return "FIPS 140-3 module " + fips140.Version() + ", mode " + mode
}

// stamp is set by the linker: -ldflags "-X main.stamp=v1.2.3".
var stamp string

// version returns the release's version. Without a release it returns the
// version that the Go build recorded.
func version() string {
	if stamp != "" {
		return stamp
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}
