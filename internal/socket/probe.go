package socket

// A State is the state of a connection's receive buffer.
type State int

const (
	Empty    State = iota // nothing was received
	Readable              // something was received
	Ended                 // the peer closed the connection, or the connection failed
)
