package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// answer relays what Exchange answered, as it is but for what would mislead or
// harm a client.
func (x *exchange) answer(resp *http.Response, body payload) {
	x.record.Upstream = resp.StatusCode
	x.record.RequestID = noted(resp.Header, "Request-Id")
	x.record.FrontEnd = noted(resp.Header, "X-Feserver")
	if f := untold(resp); f != nil {
		if f.reason == ReasonUpstream401 {
			x.diagnose(resp)
			f.detail += ": " + x.record.Diagnosis.Meaning
		}
		resp.Body.Close()
		x.quiesce()
		x.fail(f)
		return
	}
	x.answerHeader(resp.Header)
	streaming := resp.ContentLength < 0 && (x.message == nil || x.message.Operation == "GetStreamingEvents")
	if x.body.ended() && x.readers.idle() {
		body.drop() // the request has gone: its memory is free for others
		x.release()
	}
	x.record.Status = resp.StatusCode
	x.allowPause(time.Now()) // Exchange may have thought for longer
	x.w.WriteHeader(resp.StatusCode)
	if streaming {
		_ = x.rc.Flush() // the first event may be half an hour away
	}
	x.record.Aborted = !x.relay(resp, streaming)
	if x.spoiled(body) || x.record.Aborted {
		x.record.Aborted = true
		abort(x.r)
	}
	_ = x.rc.Flush() // the books are made up when the last byte has gone
}

// spoiled reports whether the request was broken off for what it said while
// its answer was under way: some servers end their answer properly all the
// same. It notes the reason.
func (x *exchange) spoiled(body payload) bool {
	x.quiesce()
	s, ok := body.(*stream)
	if !ok || !errors.Is(s.err, errRefused) {
		return false
	}
	r := refusalOf(s.err)
	x.record.Reason, x.record.Detail = policyReasons[r.Reason], r.Detail
	return true
}

// buffers serve the copying of answers. A stream of notifications waits for half
// an hour and has a small one meanwhile; a large one is for what is long, and
// for what comes at once after a part that filled the small one.
var (
	small = sync.Pool{New: func() any { return new([2 << 10]byte) }}
	large = sync.Pool{New: func() any { return new([chunk]byte) }}
)

// relay copies the answer's body, each part as soon as it is there. It reports
// false when the answer did not come to its end.
func (x *exchange) relay(resp *http.Response, streaming bool) bool {
	buf := small.Get().(*[2 << 10]byte)
	defer small.Put(buf)
	long := resp.ContentLength > int64(len(buf))
	for more := long; ; {
		var n int
		var err error
		if more {
			n, err = x.passMuch(resp)
			more = long || n == chunk || n >= len(buf) && !streaming
		} else {
			n, err = x.pass(resp, buf[:])
			more = n == len(buf)
		}
		if err != nil {
			return err != errNotTaken && x.completed(err)
		}
	}
}

// passMuch copies one part by way of a large buffer.
func (x *exchange) passMuch(resp *http.Response) (int, error) {
	buf := large.Get().(*[chunk]byte)
	defer large.Put(buf)
	return x.pass(resp, buf[:])
}

// errNotTaken says that the client did not take a part.
var errNotTaken = errors.New("the client stopped reading the answer")

// pass copies one part by way of buf.
func (x *exchange) pass(resp *http.Response, buf []byte) (int, error) {
	n, err := resp.Body.Read(buf)
	if n > 0 && !x.write(buf[:n], resp.ContentLength < 0) {
		return n, errNotTaken
	}
	return n, err
}

// write sends a part of the answer to the client, who must take it in time.
func (x *exchange) write(p []byte, flush bool) bool {
	x.allowPause(time.Now())
	n, err := x.w.Write(p)
	x.record.BytesOut += int64(n)
	if err == nil && flush {
		err = x.rc.Flush()
	}
	if err != nil {
		x.record.Reason, x.record.Detail = ReasonClientLeft, errNotTaken.Error()
	}
	return err == nil
}

// completed reports whether err is the answer's proper end.
func (x *exchange) completed(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	x.record.Err = told(err)
	if x.r.Context().Err() != nil {
		x.record.Reason, x.record.Detail = ReasonClientLeft, "the client left in mid-answer"
	} else {
		x.record.Reason, x.record.Detail = ReasonUpstreamCut, "Exchange's answer ended before it was whole"
	}
	return false
}
