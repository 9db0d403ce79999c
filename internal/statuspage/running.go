package statuspage

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxRunningShown limits the number of requests in flight that the status page
// shows, because there may be thousands. The page shows the oldest ones.
const maxRunningShown = 50

// running holds the requests in flight. Its zero value is empty and ready for
// use. It is safe for concurrent use.
type running struct {
	mu       sync.Mutex
	requests map[*runningRequest]struct{}
}

// A runningRequest is a request in flight. It contains only values from the
// request's head.
type runningRequest struct {
	Started time.Time `json:"started"`
	Remote  string    `json:"remote"`
	Method  string    `json:"method"`
	Action  string    `json:"soap_action,omitempty"` // from the client, not checked
}

func (r *running) begin(request *http.Request) *runningRequest {
	one := &runningRequest{
		Started: time.Now(), Remote: request.RemoteAddr, Method: bounded(request.Method), Action: bounded(request.Header.Get("SOAPAction")),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests == nil {
		r.requests = make(map[*runningRequest]struct{})
	}
	r.requests[one] = struct{}{}
	return one
}

func (r *running) end(one *runningRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.requests, one)
}

// oldest returns the number of requests in flight, and at most maxRunningShown of
// them, the oldest first.
func (r *running) oldest() (n int, list []runningRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list = make([]runningRequest, 0, len(r.requests))
	for one := range r.requests {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b runningRequest) int { return a.Started.Compare(b.Started) })
	return len(list), list[:min(len(list), maxRunningShown)]
}
