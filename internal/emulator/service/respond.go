package service

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// Self returns the URL of the service without a path. The scheme is always
// https; the host is the one that the request names.
func Self(r *http.Request) string { return "https://" + r.Host }

// WriteJSON responds with v. It panics if v cannot be marshalled.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // callers pass only maps of strings, numbers and lists
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b)
}

// NewGUID returns a random UUID.
func NewGUID() string {
	b := make([]byte, 16)
	rand.Read(b) // crypto/rand never returns an error
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// RandomHex returns n random bytes in hexadecimal.
func RandomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // crypto/rand never returns an error
	return hex.EncodeToString(b)
}
