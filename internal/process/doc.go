// Package process sets up the operating system's process that the product runs
// in: protection of its memory, and how much processor time and memory the Go
// runtime uses.
package process
