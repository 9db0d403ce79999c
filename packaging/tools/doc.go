// Package tools pins the program that makes deb and rpm packages, by version and
// checksum. It is a module of its own, so that neither the product nor the programs
// in scripts/tools depend on it.
package tools
