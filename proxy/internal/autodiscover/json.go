package autodiscover

import (
	"net/url"
	"strings"

	"hmaproxy/internal/ascii"
)

// JSONPath is the path of JSON requests, in lower case.
const JSONPath = "/autodiscover/autodiscover.json"

// jsonUser is the part of the path before the address.
const jsonUser = JSONPath + "/v1.0/"

// maxTarget limits the target of a JSON request. The longest address has 762
// bytes if every character is percent-encoded.
const maxTarget = 2048

// IsJSON reports whether a raw target belongs to a JSON request. Such a target
// is JSONPath, or JSONPath with "/v1.0/" and an address, in any letter case,
// and perhaps a query.
func IsJSON(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	if len(target) > maxTarget {
		return false
	}
	if ascii.EqualFold(path, JSONPath) {
		return true
	}
	user, found := ascii.CutPrefixFold(path, jsonUser)
	return found && user != "" && !strings.Contains(user, "/")
}

// Errors of JSON requests, by the parameter that is missing or wrong.
var (
	// ErrEmail is the error for a request without the address of a mailbox, or
	// with more than one address.
	ErrEmail error = &Violation{"the request needs Email once"}
	// ErrNoProtocol is the error for a request without a protocol.
	ErrNoProtocol error = &Violation{"the request needs Protocol=EWS"}
	// ErrProtocol is the error for a request with more than one protocol, or with
	// a protocol other than EWS.
	ErrProtocol error = &Violation{"the request needs Protocol=EWS, and no other"}
)

// ParseJSON reads a request from its raw target, for which IsJSON must have
// returned true. The protocol and the names of parameters may be in any letter
// case. Parameters other than Email and Protocol are ignored. The error is
// ErrEmail, ErrNoProtocol, ErrProtocol or another *Violation.
func ParseJSON(target string) (Request, error) {
	request := Request{Form: JSON}
	path, query, _ := strings.Cut(target, "?")
	var emails, protocols []string
	if user, found := ascii.CutPrefixFold(path, jsonUser); found {
		address, err := url.PathUnescape(user)
		if err != nil {
			return request, violation("the target has a percent sign that begins no encoded byte")
		}
		emails = append(emails, address)
	}
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		var list *[]string
		switch {
		case ascii.EqualFold(name, "email"):
			list = &emails
		case ascii.EqualFold(name, "protocol"):
			list = &protocols
		default:
			continue
		}
		text, err := url.PathUnescape(value) // a plus sign is a character of the address, not a blank
		if err != nil {
			return request, violation("the target has a percent sign that begins no encoded byte")
		}
		*list = append(*list, text)
	}
	switch {
	case len(emails) != 1 || emails[0] == "":
		return request, ErrEmail
	case len(protocols) == 0 || len(protocols) == 1 && protocols[0] == "":
		return request, ErrNoProtocol
	case len(protocols) != 1 || !ascii.EqualFold(protocols[0], "ews"):
		return request, ErrProtocol
	}
	request.Mailboxes = emails
	return request, nil
}
