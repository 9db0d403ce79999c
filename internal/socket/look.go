package socket

// What a look at a connection's receive buffer shows.
type Sight int

const (
	Silent   Sight = iota // nothing has come
	Readable              // something has come
	Ended                 // the connection's end has
)
