// Package tools pins the programs that releases are made with, by version and
// checksum. It is a module of its own, so that the product does not depend on
// them.
package tools
