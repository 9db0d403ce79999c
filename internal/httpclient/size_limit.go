package httpclient

import (
	"errors"
	"io"
	"net/http"
)

// maxBody is the size of a response body from Entra ID or Key Vault. Real ones
// have a few KiB. Package token has an error of its own for more than 1 MiB,
// which must be able to occur.
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
