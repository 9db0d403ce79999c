package jwt_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator/jwt"
)

// The token, its claims and the public key of RFC 7515, appendix A.2.
const (
	exampleToken = "eyJhbGciOiJSUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	exampleModulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
)

func exampleKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	n, err := base64.RawURLEncoding.DecodeString(exampleModulus)
	if err != nil {
		t.Fatal(err)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
}

// encode returns a token whose signature is three bytes without meaning.
func encode(header, claims string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + ".AAAA"
}

// TestExampleOfRFC7515 checks that the RFC's example is verified, and that it is
// refused after a change of any of its parts.
func TestExampleOfRFC7515(t *testing.T) {
	j, err := jwt.Parse(exampleToken)
	if err != nil {
		t.Fatal(err)
	}
	exp, ok := j.Instant("exp")
	if j.Text("iss") != "joe" || !ok || !exp.Equal(time.Unix(1300819380, 0)) || j.Claims["http://example.com/is_root"] != true {
		t.Errorf("claims %v", j.Claims)
	}
	if err := j.Verify(exampleKey(t)); err != nil {
		t.Errorf("the example's signature: %v", err)
	}
	parts := strings.Split(exampleToken, ".")
	for name, token := range map[string]string{
		"another algorithm": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PS256"}`)) + "." + parts[1] + "." + parts[2],
		"no algorithm":      base64.RawURLEncoding.EncodeToString([]byte(`{}`)) + "." + parts[1] + "." + parts[2],
		"none":              base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"HS256":             base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + parts[1] + "." + parts[2],
		"another claim":     parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"eve"}`)) + "." + parts[2],
		"no signature":      parts[0] + "." + parts[1] + ".",
		"another signature": strings.Replace(exampleToken, ".cC4h", ".cC4i", 1),
	} {
		j, err := jwt.Parse(token)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if j.Verify(exampleKey(t)) == nil {
			t.Errorf("%s: the signature was accepted", name)
		}
	}
}

// TestParse checks which texts are tokens. RFC 7515, section 7.1, defines the
// compact form, and RFC 7519, section 7.2, requires JSON objects as header and
// claims.
func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		valid bool
	}{
		"three parts":           {encode(`{"alg":"RS256"}`, `{}`), true},
		"empty signature":       {strings.TrimSuffix(encode(`{"alg":"none"}`, `{}`), "AAAA"), true},
		"two parts":             {strings.TrimSuffix(encode(`{}`, `{}`), ".AAAA"), false},
		"four parts":            {encode(`{}`, `{}`) + ".AAAA", false},
		"padded":                {encode(`{}`, `{}`) + "=", false},
		"standard base64":       {encode(`{}`, `{}`) + "+/", false},
		"header not JSON":       {encode(`alg`, `{}`), false},
		"header is null":        {encode(`null`, `{}`), false},
		"claims are a list":     {encode(`{}`, `[]`), false},
		"second object":         {encode(`{}`, `{}{}`), false},
		"white space at an end": {encode(`{}`, `{} `), true},
		"empty":                 {"", false},
	} {
		if _, err := jwt.Parse(c.token); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClaims checks how claims are read. A NumericDate may have a fraction (RFC
// 7519, section 2), and "aud" is a string or a list of strings (section 4.1.3).
func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		claims    string
		exp       int64 // 0: none
		audiences []string
	}{
		"usual":              {`{"exp":1300819380,"aud":"a"}`, 1300819380, []string{"a"}},
		"fraction":           {`{"exp":1300819380.5,"aud":["a","b"]}`, 1300819380, []string{"a", "b"}},
		"date as a string":   {`{"exp":"1300819380","aud":[1,"b"]}`, 0, []string{"b"}},
		"date out of range":  {`{"exp":1e999}`, 0, nil},
		"audience as number": {`{"aud":1}`, 0, nil},
		"none":               {`{}`, 0, nil},
	} {
		j, err := jwt.Parse(encode(`{}`, c.claims))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		exp, ok := j.Instant("exp")
		if ok != (c.exp != 0) || ok && exp.Unix() != c.exp || !reflect.DeepEqual(j.Audiences(), c.audiences) {
			t.Errorf("%s: exp %v, %v, audiences %q", name, exp, ok, j.Audiences())
		}
	}
}

// TestValidAt checks that a token is valid from nbf on and before exp (RFC 7519,
// sections 4.1.4 and 4.1.5).
func TestValidAt(t *testing.T) {
	j, err := jwt.Parse(encode(`{}`, `{"nbf":1000,"exp":2000}`))
	if err != nil {
		t.Fatal(err)
	}
	for second, want := range map[int64]bool{999: false, 1000: true, 1999: true, 2000: false} {
		if got := j.ValidAt(time.Unix(second, 0)); got != want {
			t.Errorf("at %d: %v", second, got)
		}
	}
	for _, claims := range []string{`{"nbf":1000}`, `{"exp":2000}`} {
		if j, err := jwt.Parse(encode(`{}`, claims)); err != nil || j.ValidAt(time.Unix(1500, 0)) {
			t.Errorf("%s: valid, %v", claims, err)
		}
	}
}

// TestVerifierNeedsTheNamedKey checks that a token is accepted only if the key
// that its "kid" names has signed it. This must hold even after a Verifier has
// remembered a valid token.
func TestVerifierNeedsTheNamedKey(t *testing.T) {
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(id string) string {
		token, err := jwt.Sign(signer, map[string]any{"alg": "RS256", "kid": id}, map[string]any{"roles": []string{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	keys := []jwt.Key{{ID: "own", Public: &signer.PublicKey}, {ID: "other", Public: exampleKey(t)}}
	var v jwt.Verifier
	for range 2 {
		j, err := v.Verify(keys, sign("own"))
		if err != nil || !reflect.DeepEqual(j.Roles(), []string{"a", "b"}) {
			t.Errorf("the named key: %v", err)
		}
		for _, id := range []string{"other", "unknown"} {
			if j, err := v.Verify(keys, sign(id)); err == nil || j == nil {
				t.Errorf("%s: token %v, error %v", id, j, err)
			}
		}
		if j, err := v.Verify(keys, "x"); err == nil || j != nil {
			t.Errorf("no token: %v, %v", j, err)
		}
	}
}

// TestDecodeThumbprint checks that base64url and standard base64 are accepted,
// with and without padding. RFC 7515 requires base64url without padding for
// "x5t". MSAL for Go sends padded standard base64.
func TestDecodeThumbprint(t *testing.T) {
	want := []byte{0xfb, 0xff, 0xfe, 0x01}
	for text, valid := range map[string]bool{"-__-AQ": true, "-__-AQ==": true, "+//+AQ==": true, "+//+AQ": true, "-__-A": false, "#": false} {
		got, ok := jwt.DecodeThumbprint(text)
		if ok != valid || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %x, %v", text, got, ok)
		}
	}
}
