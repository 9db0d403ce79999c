package certsource

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// call performs one operation on the vault by calling run. The context of run ends
// after callTimeout. The returned error says what failed and what to do.
func (c *vaultClient) call(ctx context.Context, s *session, op, version string, run func(context.Context) error) *Error {
	inner, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	t := &trace{}
	err := recovered(context.WithValue(inner, traceKey{}, t), run)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return c.canceled(op, ctx)
	}
	return explain(err, t, &c.cfg, s, &Error{Op: op, Name: c.cfg.Name, Version: version})
}

func (c *vaultClient) canceled(op string, ctx context.Context) *Error {
	return &Error{Op: op, Name: c.cfg.Name, Code: CodeCanceled, Err: ctx.Err()}
}

// notKeyVault returns the error for a response whose secret has no valid id. Key
// Vault always sets the id, so another server must have responded.
func (c *vaultClient) notKeyVault(op, version string) *Error {
	return &Error{Op: op, Name: c.cfg.Name, Version: version, Host: c.cfg.Vault.Host, Code: CodeNotKeyVault, Remedy: networkRemedy(CodeNotKeyVault)}
}

// errPanic represents a panic in the Key Vault libraries. The libraries index
// into parts of an authentication challenge without checking that the parts
// exist.
var errPanic = errors.New("the response cannot be read")

func recovered(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return run(ctx)
}

// A trace holds the result of a call's latest HTTP request. The libraries'
// errors contain this result only as text, and not at all after retries.
type trace struct {
	mu     sync.Mutex
	host   string
	status int
	err    error
}

type traceKey struct{}

func (t *trace) last() (host string, status int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.host, t.status, t.err
}

// recordingClient is a policy.Transporter that records the result of each
// request in the trace of the request's context.
type recordingClient struct{ client *http.Client }

func (w recordingClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := w.client.Do(req)
	t, ok := req.Context().Value(traceKey{}).(*trace)
	if !ok {
		return resp, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// Keep the 5xx status of the previous try if this try fails because the
	// deadline has passed. The status says more than the deadline.
	if errors.Is(err, context.DeadlineExceeded) && t.host == req.URL.Host && t.status >= http.StatusInternalServerError {
		return resp, err
	}
	t.host, t.status, t.err = req.URL.Host, 0, err
	if err == nil {
		t.status = resp.StatusCode
	}
	return resp, err
}
