// Package proxy forwards EWS requests of local clients to Exchange.
//
// A request passes five stages: check (request line and headers), authenticate
// (the client), inspect (the SOAP document and the policy's decision), round
// trip (to Exchange, with the access token) and respond (in a form that old
// clients understand).
//
// New returns the Handler. It must run in the http.Server that Handler.Server
// returns, because the limits of that server are part of the checks. Config
// supplies the tokens and the current policy, and receives a Record of each
// request.
package proxy
