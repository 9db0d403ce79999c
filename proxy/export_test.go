package proxy

import "hmaproxy/proxy/internal/body"

// LimitBuffered sets the budget for buffered bodies.
func (h *Handler) LimitBuffered(n int64) { h.budget = body.NewBudget(n) }

// Buffered returns how much of the budget is in use.
func (h *Handler) Buffered() int64 { return h.budget.Used() }

// Unreachable is the function unreachable, for tests outside the package.
var Unreachable = unreachable
