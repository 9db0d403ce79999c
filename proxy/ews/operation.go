package ews

// An Operation is the name of an operation from a closed set: the schema's name
// without a final "Request", PushSubscription, or OtherOperation.
type Operation string

const (
	// PushSubscription is a Subscribe for push notifications. Exchange then
	// sends requests to a URL that the client chooses.
	PushSubscription Operation = "Subscribe:Push"

	// OtherOperation stands for every name that the schema does not have.
	OtherOperation Operation = "other"
)
