#!/usr/bin/env bash
# Checks the unit: its syntax, that its program starts, and that its exposure is not
# worse than the README of deploy/systemd says.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v systemd-analyze >/dev/null; then
  echo "NOT RUN: systemd-analyze is not installed (package systemd)" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# systemd-analyze verify requires that the program and the settings exist.
go build -o "$work/hmaproxy" ./cmd/hmaproxy
sed "s#/usr/local/bin/hmaproxy#$work/hmaproxy#" deploy/systemd/hmaproxy.service >"$work/hmaproxy.service"
cp deploy/systemd/hmaproxy.socket "$work"
systemd-analyze verify --man=no "$work/hmaproxy.service" "$work/hmaproxy.socket" 2>&1 | tee "$work/said"
if grep -q "hmaproxy\." "$work/said"; then exit 1; fi
echo "syntax: correct"

systemd-analyze security --offline=yes --threshold=15 --no-pager "$work/hmaproxy.service" >"$work/score" || {
  cat "$work/score" >&2
  exit 1
}
tail -n 1 "$work/score"
