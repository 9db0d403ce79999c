// Package proxy carries one EWS request from a local client to Exchange: it
// guards the door, reads what the request says, judges it, attaches the access
// token, forwards it and answers in a way that old clients understand.
//
// New makes the Handler; Handler.Server wraps it in the http.Server whose
// limits are part of the guard. Where tokens come from, which policy is in
// force and what becomes of a request's Record are handed in by Config.
package proxy
