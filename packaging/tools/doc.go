// Package tools pins the program that makes deb and rpm packages, by version
// and checksum. It has its own module, so that neither the product nor the
// programs in scripts/tools depend on it.
package tools
