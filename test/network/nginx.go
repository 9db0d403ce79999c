//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// nginxConfig makes nginx a plain reverse proxy that keeps connections to
// Exchange, with nginx's default timeouts. %[1]s is a folder for nginx's files,
// %[2]s is Exchange's name, %[3]s and %[4]s are the addresses of the listeners.
const nginxConfig = `daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/nginx-body;
	proxy_temp_path %[1]s/nginx-proxy;
	fastcgi_temp_path %[1]s/nginx-fastcgi;
	uwsgi_temp_path %[1]s/nginx-uwsgi;
	scgi_temp_path %[1]s/nginx-scgi;
	client_max_body_size 0;
	upstream exchange {
		server %[2]s:443;
		keepalive 32;
	}
	server {
		listen %[3]s;
		location / {
			proxy_pass https://exchange;
			proxy_http_version 1.1;
			proxy_set_header Host %[2]s;
			proxy_set_header Connection "";
			proxy_ssl_server_name on;
			proxy_ssl_name %[2]s;
			proxy_ssl_verify on;
			proxy_ssl_trusted_certificate %[1]s/ca.pem;
		}
	}
	server {
		listen %[4]s;
		location / { return 200; }
	}
}
`

// writeNginxConfig writes nginx's configuration and returns the file's name.
func (w *environment) writeNginxConfig(p *proxy) (file string, err error) {
	file = filepath.Join(w.dir, "nginx.conf")
	return file, os.WriteFile(file, fmt.Appendf(nil, nginxConfig, w.dir, exchangeName, p.address, p.admin), 0o600)
}
