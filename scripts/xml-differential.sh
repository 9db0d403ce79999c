#!/bin/sh
# Has mutants of the scanner's test documents, those that it accepts, read by
# other parsers: expat and libxml2 from Python (python3, lxml), and the readers
# of .NET from Mono (mcs, mono). The argument is the number of mutants. What is
# not installed is left out, loudly.
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
