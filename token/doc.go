// Package token keeps an app-only access token usable.
//
// Most callers want a [Keeper]: [New] makes one, [Keeper.Run] refreshes the
// token in the background and follows certificate rotations, and [Keeper.Token]
// returns the current token with one atomic load. [Keeper.Replace] is for a
// caller whose token the resource has refused. [Keeper.Status] returns a
// snapshot for logs, metrics and status pages.
//
// [Acquire] makes a single attempt, for diagnosis. [Explain] translates the
// AADSTS codes of Entra ID into a meaning and a remedy.
//
// The token is requested from the v2 endpoint of Entra ID with the client
// credentials grant (RFC 6749 section 4.4) and a signed assertion (RFC 7523)
// made with a certificate. No error, status or log line of this package contains
// a token or an assertion, or quotes the text of an error of Entra or MSAL.
package token
