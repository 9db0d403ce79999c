package upstream

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/net/proxy"
)

// maxConnectResponse bounds the head of a corporate proxy's response to CONNECT.
const maxConnectResponse = 64 << 10

// DialAddress returns the address that Config.Dial connects to: the address of
// the corporate proxy if there is one, else the address of the server.
func (c *Config) DialAddress() string {
	if c.Proxy == nil {
		return c.Address
	}
	return net.JoinHostPort(c.Proxy.Hostname(), cmp.Or(c.Proxy.Port(), defaultProxyPort(c.Proxy)))
}

// defaultProxyPort returns the default port for the scheme of the proxy, "" if
// the scheme is not supported.
func defaultProxyPort(proxy *url.URL) string {
	switch proxy.Scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	case "socks5", "socks5h":
		return "1080"
	}
	return ""
}

// A corporateProxy opens tunnels to the server. It requires Config.Proxy.
type corporateProxy struct{ config *Config }

// tunnel makes the corporate proxy connect to the server and returns the
// tunnel. raw is a connection to the proxy. When ctx ends, raw is closed.
func (p *corporateProxy) tunnel(ctx context.Context, raw net.Conn) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, err := p.openTunnel(ctx, raw)
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return conn, err
}

func (p *corporateProxy) openTunnel(ctx context.Context, raw net.Conn) (net.Conn, error) {
	switch p.config.Proxy.Scheme {
	case "https":
		config := p.config.TLS.Clone()
		config.ServerName = p.config.Proxy.Hostname()
		config.CipherSuites, config.CurvePreferences = nil, nil // these settings apply to Exchange only
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		return conn, p.requestTunnel(conn)
	case "http":
		return raw, p.requestTunnel(raw)
	}
	return raw, p.requestSOCKS(ctx, raw)
}

// requestTunnel sends CONNECT and reads the response.
func (p *corporateProxy) requestTunnel(conn net.Conn) error {
	if _, err := io.WriteString(conn, p.connectRequest()); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(conn, maxConnectResponse))
	if _, err := br.Peek(1); err != nil {
		return fmt.Errorf("no response to CONNECT: %w", err)
	}
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return errors.New("its response to CONNECT is not HTTP")
	}
	if p.config.ProxyResponse != nil {
		p.config.ProxyResponse(resp.StatusCode)
	}
	if err := ConnectRefusal(resp); err != nil {
		return err
	}
	if br.Buffered() > 0 {
		return errors.New("it sent data before the TLS handshake")
	}
	return nil
}

// connectRequest returns the CONNECT request with the credentials of the proxy's
// URL.
func (p *corporateProxy) connectRequest() string {
	request := "CONNECT " + p.config.Address + " HTTP/1.1\r\nHost: " + p.config.Address + "\r\nUser-Agent: hmaproxy\r\n"
	if user := p.config.Proxy.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		request += "Proxy-Authorization: Basic " + credentials + "\r\n"
	}
	return request + "\r\n"
}

// ConnectRefusal returns an error that explains a corporate proxy's refusal of
// CONNECT, nil for a response that opens the tunnel. Callers put the name of
// the proxy before the error's text.
func ConnectRefusal(resp *http.Response) error {
	const limit = 100
	quote := func(text string) string { return strconv.Quote(text[:min(len(text), limit)]) }
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		text := "it asks for credentials (407): write them into HTTPS_PROXY, http://user:password@host:port"
		if offered := resp.Header.Get("Proxy-Authenticate"); offered != "" {
			text += "; it must accept Basic authentication, and offers " + quote(offered)
		}
		return errors.New(text)
	}
	return errors.New("it refused to connect: " + quote(resp.Status))
}

// A socksDialer performs a SOCKS5 handshake on an open connection, like the
// dialer of golang.org/x/net/proxy.
type socksDialer interface {
	DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
}

// requestSOCKS performs the SOCKS5 handshake of RFC 1928. The proxy resolves the
// server's name.
func (p *corporateProxy) requestSOCKS(ctx context.Context, conn net.Conn) error {
	var auth *proxy.Auth
	if user := p.config.Proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", p.config.DialAddress(), auth, nil)
	if err != nil {
		return err
	}
	socks, ok := dialer.(socksDialer)
	if !ok {
		return errors.New("SOCKS5 is not supported")
	}
	_, err = socks.DialWithConn(ctx, conn, "tcp", p.config.Address)
	return err
}
