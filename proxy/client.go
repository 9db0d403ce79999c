package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"unicode/utf16"
)

// authenticate finds out who the client is, and puts the client's own policy
// in force where clients must have credentials. What a client sends without
// being asked is accepted and goes no further: legacy software often insists
// on sending something.
func (x *exchange) authenticate() bool {
	user, password, ok := "", "", false
	if len(x.r.Header["Authorization"]) == 1 {
		user, password, ok = x.r.BasicAuth()
	}
	if x.h.config.Client == nil {
		x.login = user
		return true
	}
	if ok {
		if p, known := x.h.config.Client(user, password); known {
			x.policy, x.login, x.record.Client = p, user, user
			return true
		}
	}
	x.record.Reason, x.record.Detail = ReasonCredentials, "no client user with these credentials"
	if !ok {
		x.record.Detail = "the client has sent no Basic credentials"
	}
	x.challenge()
	return false
}

// handshake plays the server's part of an NTLM handshake for clients that
// insist on one. Anybody is accepted, no identity is taken from it, and nothing
// of it is forwarded. It reports whether the request was answered.
func (x *exchange) handshake() bool {
	scheme, message, ok := strings.Cut(value(x.r.Header, "Authorization"), " ")
	scheme = lowerASCII(scheme)
	if !ok || scheme != "ntlm" && scheme != "negotiate" || !x.empty() {
		return false
	}
	m, err := base64.StdEncoding.DecodeString(strings.Trim(message, " "))
	if err == nil && len(m) >= 12 && string(m[:8]) == ntlmSignature && binary.LittleEndian.Uint32(m[8:]) == 1 {
		name := map[string]string{"ntlm": "NTLM ", "negotiate": "Negotiate "}[scheme]
		x.w.Header().Set("WWW-Authenticate", name+base64.StdEncoding.EncodeToString(ntlmChallenge()))
		x.record.Reason, x.record.Detail = ReasonNTLM, "an NTLM handshake is answered by the proxy itself"
		x.plain(http.StatusUnauthorized, "hmaproxy: continue")
		return true
	}
	x.reply(http.StatusOK, "") // an empty request that carries a later message of the handshake
	return true
}

// empty reports whether the request is known to have no body, of one in chunks
// after it was read.
func (x *exchange) empty() bool {
	return x.r.ContentLength == 0 || x.body.ended() && x.body.n == 0
}

const ntlmSignature = "NTLMSSP\x00"

// Flags and attribute ids of MS-NLMP 2.2.2.5 and 2.2.2.1.
const (
	ntlmFlags = 0x00000001 | // unicode
		0x00000004 | // the target is named
		0x00000200 | // NTLM
		0x00008000 | // always sign
		0x00020000 | // the target is a server
		0x00080000 | // extended session security
		0x00800000 // target information follows
	ntlmComputerName = 1
	ntlmDomainName   = 2
)

// ntlmChallenge returns a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2). Its nonce is
// random, so that what clients answer is worth nothing to anybody.
func ntlmChallenge() []byte {
	target := utf16LE("HMAPROXY")
	var info []byte
	for _, id := range [...]uint16{ntlmDomainName, ntlmComputerName} {
		info = binary.LittleEndian.AppendUint16(info, id)
		info = binary.LittleEndian.AppendUint16(info, uint16(len(target)))
		info = append(info, target...)
	}
	info = append(info, 0, 0, 0, 0) // end of list

	const fixed = 48
	m := append(make([]byte, 0, fixed+len(target)+len(info)), ntlmSignature...)
	m = binary.LittleEndian.AppendUint32(m, 2)
	m = appendField(m, len(target), fixed)
	m = binary.LittleEndian.AppendUint32(m, ntlmFlags)
	nonce := make([]byte, 8)
	rand.Read(nonce)
	m = append(m, nonce...)
	m = append(m, make([]byte, 8)...)
	m = appendField(m, len(info), fixed+len(target))
	m = append(m, target...)
	return append(m, info...)
}

// appendField appends the length, the capacity and the offset of a payload.
func appendField(m []byte, length, offset int) []byte {
	m = binary.LittleEndian.AppendUint16(m, uint16(length))
	m = binary.LittleEndian.AppendUint16(m, uint16(length))
	return binary.LittleEndian.AppendUint32(m, uint32(offset))
}

func utf16LE(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
