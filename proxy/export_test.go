package proxy

// LimitHeld sets the budget for held bodies.
func (h *Handler) LimitHeld(n int64) { h.held.limit = n }

// Held returns how much of the budget is spent.
func (h *Handler) Held() int64 { return h.held.used.Load() }

// Unreachable is how an error of the transport is judged.
var Unreachable = unreachable
