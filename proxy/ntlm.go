package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"unicode/utf16"

	"hmaproxy/internal/ascii"
)

// ntlmStep returns the server's response in an NTLM handshake, for clients that
// support no other authentication. header is the header of a request without a
// body. The handshake accepts every client, takes no identity from it and sends
// no part of it to Exchange. ntlmStep returns nil if the request is not part of
// a handshake.
func ntlmStep(header http.Header) *problem {
	scheme, message, ok := strings.Cut(value(header, "Authorization"), " ")
	scheme = ascii.ToLower(scheme)
	if !ok || scheme != "ntlm" && scheme != "negotiate" {
		return nil
	}
	m, err := base64.StdEncoding.DecodeString(strings.Trim(message, " "))
	if err == nil && len(m) >= 12 && string(m[:8]) == ntlmSignature && binary.LittleEndian.Uint32(m[8:]) == 1 {
		name := map[string]string{"ntlm": "NTLM ", "negotiate": "Negotiate "}[scheme]
		return &problem{
			form: plainText, status: http.StatusUnauthorized, reason: ReasonNTLM,
			text: "hmaproxy: continue", challenge: name + base64.StdEncoding.EncodeToString(ntlmChallenge()),
		}
	}
	return &problem{form: plainText, status: http.StatusOK} // a later message of the handshake
}

const ntlmSignature = "NTLMSSP\x00"

// Flags and attribute ids of MS-NLMP 2.2.2.5 and 2.2.2.1.
const (
	ntlmFlags = 1 | // unicode
		1<<2 | // the target is named
		1<<9 | // NTLM
		1<<15 | // always sign
		1<<17 | // the target is a server
		1<<19 | // extended session security
		1<<23 // target information follows
	ntlmComputerName = 1
	ntlmDomainName   = 2
)

// ntlmChallenge returns a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2). Its nonce is
// random. The client's response is derived from the nonce, so an attacker cannot
// use the response elsewhere.
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
