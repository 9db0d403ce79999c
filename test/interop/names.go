package main

import (
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// serveNames serves the A records of names over UDP at port 53 of an address,
// until the connection is closed. The response to a query for another name is
// that the name does not exist.
func serveNames(address string, names map[string]string) (net.PacketConn, error) {
	c, err := net.ListenPacket("udp", address+":53")
	if err != nil {
		return nil, err
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if response, ok := nameResponse(buf[:n], names); ok {
				_, _ = c.WriteTo(response, from)
			}
		}
	}()
	return c, nil
}

// nameResponse returns the response to a DNS query. names has the IPv4 address of
// each name. The result is false if the query is malformed or does not have
// exactly one question.
func nameResponse(query []byte, names map[string]string) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	address, known := names[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	switch {
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(address).To4())},
		}}
	}
	response, err := m.Pack()
	return response, err == nil
}
