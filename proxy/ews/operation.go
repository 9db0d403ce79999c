package ews

// An Operation names an EWS operation. The set is closed: PushSubscription,
// OtherOperation, and the operations of the schema. A final "Request" is cut from
// the schema's names.
type Operation string

const (
	// PushSubscription is a Subscribe for push notifications. Exchange then
	// sends requests to a URL that the client chooses.
	PushSubscription Operation = "Subscribe:Push"

	// OtherOperation replaces every name that is not in the schema.
	OtherOperation Operation = "other"
)
