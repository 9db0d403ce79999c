#!/bin/sh
# Compares the scanner with other parsers on mutants of its test documents that it
# accepts: expat and libxml2 from Python (python3, lxml), and the readers
# of .NET from Mono (mcs, mono). The argument is the number of mutants. Missing
# parsers are skipped with a message.
set -eu

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

HMAPROXY_MUTANTS=${1:-200000} HMAPROXY_MUTANTS_FILE="$folder/accepted.tsv" \
	go test -count=1 -timeout 30m -run '^TestMutants$' ./proxy/internal/soap

"$python" scripts/xml-differential.py "$folder/accepted.tsv"
if command -v mcs >/dev/null && command -v mono >/dev/null; then
	mcs -r:System.Runtime.Serialization -out:"$folder/differential.exe" scripts/xml-differential.cs
	mono "$folder/differential.exe" "$folder/accepted.tsv"
else
	echo ".NET: NOT CHECKED, there is no mono with mcs"
fi
