#!/usr/bin/env bash
# Looks for known vulnerabilities in the code that the program calls. If the
# database cannot be reached it prints NOT RUN, and fails in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
for os in linux windows; do
  if said=$(GOOS=$os go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./cmd/... 2>&1); then
    echo "$os: $(tail -n 1 <<<"$said")"
  elif grep -qE 'fetching vulnerabilities|vuln\.go\.dev|no such host|connection refused|Forbidden' <<<"$said"; then
    echo "NOT RUN: the vulnerability database cannot be reached from here" >&2
    tail -n 2 <<<"$said" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
  else
    echo "$said" >&2
    exit 1
  fi
done
