//go:build linux

package main

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// A nameServer responds to every query for A records with the same addresses, and
// to other queries with none.
type nameServer struct {
	mu    sync.Mutex
	addrs []netip.Addr
	lose  int // number of the next queries to drop
}

func (s *nameServer) set(lose int, addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose, s.addrs = lose, addrs
}

func (s *nameServer) serve() error {
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if response, ok := s.respond(buf[:n]); ok {
				_, _ = conn.WriteTo(response, from)
			}
		}
	}()
	return nil
}

func (s *nameServer) respond(query []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var message dnsmessage.Message
	if message.Unpack(query) != nil || len(message.Questions) != 1 {
		return nil, false
	}
	if s.lose > 0 {
		s.lose--
		return nil, false
	}
	message.Response, message.RecursionAvailable, message.Additionals = true, true, nil
	if q := message.Questions[0]; q.Type == dnsmessage.TypeA {
		for _, addr := range s.addrs {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 5},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			})
		}
	}
	response, err := message.Pack()
	return response, err == nil
}
