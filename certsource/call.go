package certsource

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// call runs one operation on the vault under its own deadline and explains its
// error.
func (k *KeyVault) call(ctx context.Context, s *session, op, version string, run func(context.Context) error) *Error {
	inner, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	t := &trace{}
	err := recovered(context.WithValue(inner, traceKey{}, t), run)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return k.canceled(op, ctx)
	}
	return k.explain(err, t, s, &Error{Op: op, Name: k.cfg.Name, Version: version})
}

// errPanic stands for a panic in the Key Vault libraries, which index into parts
// of a challenge that need not be there.
var errPanic = errors.New("the response cannot be read")

func recovered(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return run(ctx)
}

// A trace is the result of the last HTTP request of a call. The libraries' errors
// hold it as text only, and not at all after retries.
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

// recordingClient is a policy.Transporter that keeps the trace.
type recordingClient struct{ client *http.Client }

func (w recordingClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := w.client.Do(req)
	t, ok := req.Context().Value(traceKey{}).(*trace)
	if !ok {
		return resp, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// A try that ended by the deadline says less than the failure before it.
	if errors.Is(err, context.DeadlineExceeded) && t.host == req.URL.Host && t.status >= http.StatusInternalServerError {
		return resp, err
	}
	t.host, t.status, t.err = req.URL.Host, 0, err
	if err == nil {
		t.status = resp.StatusCode
	}
	return resp, err
}
