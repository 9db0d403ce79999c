// Command caddy is Caddy with the modules that a reverse proxy needs. It is one
// of the benchmark's peers. It has its own module, so that the product does not
// depend on it.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
