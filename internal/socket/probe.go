package socket

// A State says what a connection's receive buffer holds.
type State int

const (
	Empty    State = iota // nothing was received
	Readable              // something was received
	Ended                 // the peer closed the connection, or it failed
)
