package process

// Harden protects the process's memory, and so tokens and keys, from other
// programs. On Linux it forbids core dumps, and forbids other processes of the
// same user to trace this one or read its memory in /proc. On other systems it
// does nothing. Call it before secrets are read.
//
// An error says which measure the system refused. The other measures are in
// effect, and the product works without the refused one.
func Harden() error { return harden() }
