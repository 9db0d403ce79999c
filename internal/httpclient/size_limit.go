package httpclient

import (
	"errors"
	"io"
	"net/http"
)

// maxBody is the limit for a response body from Entra ID or Key Vault, in bytes.
// Real bodies have a few KiB. The limit is larger than 1 MiB, so that package
// token can report its own error for responses above 1 MiB.
const maxBody = 2 << 20

var errBodyTooLong = errors.New("the response is longer than 2 MiB")

// sizeLimit is a RoundTripper whose response bodies fail with errBodyTooLong
// when they are longer than maxBody bytes.
type sizeLimit struct{ next http.RoundTripper }

func (t sizeLimit) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		resp.Body = &limitedBody{body: resp.Body, left: maxBody}
	}
	return resp, err
}

type limitedBody struct {
	body io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var more [1]byte
		n, err := b.body.Read(more[:])
		if n > 0 {
			err = errBodyTooLong
		}
		return 0, err
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *limitedBody) Close() error { return b.body.Close() }
