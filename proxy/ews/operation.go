package ews

// An Operation names an EWS operation. The set is closed. It contains
// PushSubscription, OtherOperation, and each name in the schema; a final "Request"
// of that name is removed.
type Operation string

const (
	// PushSubscription is a Subscribe for push notifications. Exchange then
	// sends requests to a URL that the client chooses.
	PushSubscription Operation = "Subscribe:Push"

	// OtherOperation replaces every name that is not in the schema.
	OtherOperation Operation = "other"
)
