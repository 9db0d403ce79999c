package sidecar

// Harden closes ways by which memory, and with it tokens and keys, leaves the
// process: on Linux it forbids core dumps, and makes the process one that others
// of the same user may neither trace nor read in /proc. Elsewhere it does
// nothing. It is meant to be called before secrets are read.
//
// An error says which measure the system refused; those that remain hold, and
// the product works without.
func Harden() error { return harden() }
