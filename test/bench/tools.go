//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// luaModule is the path of nginx's Lua module in Debian's package.
const luaModule = "/usr/lib/nginx/modules/ngx_http_lua_module.so"

// luaExpat is a path in Debian's package lua-expat.
const luaExpat = "/usr/share/lua/5.1/lxp/lom.lua"

// install installs the programs that come from Debian if they are missing.
func install(ctx context.Context, o options, stderr io.Writer) error {
	packages := []string{"nginx", "libnginx-mod-http-lua", "wrk"}
	have := has("nginx") && has("wrk")
	if _, err := os.Stat(luaModule); err != nil {
		have = false
	}
	if slices.Contains(o.peers, "nginx-expat") {
		packages = append(packages, "lua-expat")
		_, err := os.Stat(luaExpat)
		have = have && err == nil
	}
	if slices.Contains(o.peers, "haproxy") {
		packages = append(packages, "haproxy")
		have = have && has("haproxy")
	}
	if have {
		return nil
	}
	names := strings.Join(packages, " ")
	if os.Geteuid() != 0 {
		return errors.New("not all programs are here: run it as root once, or install " + names)
	}
	script := `apt-get -q update && apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends ` + names
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get install %s: %w", names, err)
	}
	return nil
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// buildProduct compiles hmaproxy with the flags of releases and returns its
// path.
func buildProduct(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hmaproxy")
	return path, goBuild(ctx, "", path, "hmaproxy/cmd/hmaproxy")
}

// buildCaddy compiles the version that caddy/go.mod pins. The first build takes
// minutes.
func buildCaddy(ctx context.Context, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "caddy")
	return path, goBuild(ctx, filepath.Join(root, "test", "bench", "caddy"), path, ".")
}

// moduleRoot returns the root of the module.
func moduleRoot(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "hmaproxy").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}

func goBuild(ctx context.Context, dir, path, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, out)
	}
	return nil
}
