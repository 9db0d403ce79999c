package service

import (
	"io"
	"net/http"
)

// A meteredBody counts the bytes of a request's body that a handler reads.
type meteredBody struct {
	io.ReadCloser
	n     int64
	empty bool
	err   error
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil && b.err == nil {
		b.err = err
	}
	return n, err
}

func (b *meteredBody) complete() bool { return b.empty || b.err == io.EOF }

// A meteredWriter writes a response's status and size to the record before the
// client can see them. It ends the response after limit bytes, unless limit is
// negative.
type meteredWriter struct {
	http.ResponseWriter
	rec     *Record
	body    *meteredBody
	started bool
	n       int64
	limit   int64
}

func (w *meteredWriter) WriteHeader(status int) {
	if !w.started {
		w.started = true
		w.rec.Note(func(h *Hop) {
			h.Status, h.Bytes, h.Complete = status, w.body.n, w.body.complete()
		})
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	cut := w.limit >= 0 && w.n+int64(len(p)) > w.limit
	if cut {
		p = p[:w.limit-w.n]
	}
	w.n += int64(len(p))
	w.rec.Note(func(h *Hop) { h.Sent = w.n })
	n, err := w.ResponseWriter.Write(p)
	if cut {
		http.NewResponseController(w.ResponseWriter).Flush() // send the bytes that were written before the connection ends
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// Unwrap is called by http.ResponseController.
func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
