package ews

// An Operation is the name of an operation from a closed set: the schema's name
// without a final "Request", PushSubscription, or OtherOperation.
type Operation string

const (
	// PushSubscription is a Subscribe for push notifications. Exchange then
	// sends requests to a URL that the client chooses.
	PushSubscription Operation = "Subscribe:Push"

	// OtherOperation replaces every name that is not in the schema.
	OtherOperation Operation = "other"
)
