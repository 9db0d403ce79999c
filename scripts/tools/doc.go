// Package tools pins the programs that make releases, by version and checksum.
// It has its own module, so that the product does not depend on them.
package tools
