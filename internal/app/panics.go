package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
)

// reportPanics returns a handler that logs and counts panics of next. After a
// panic only the connection of the request is closed. http.ErrAbortHandler is
// not counted, because it is the regular way to abort a response.
func reportPanics(next http.Handler, log *slog.Logger, count func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				count()
				log.Error("panic while serving a request", "error", panicText(v), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicText describes a panic without values that may come from a request.
func panicText(v any) string {
	if err, ok := v.(error); ok {
		var fault runtime.Error
		if errors.As(err, &fault) {
			return fault.Error()
		}
	}
	return fmt.Sprintf("%T", v)
}
