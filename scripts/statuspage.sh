#!/usr/bin/env bash
# Takes screenshots of the status page in headless Chromium: light,
# dark and at phone width. Fails if the browser reports that the page broke
# its own Content-Security-Policy. usage: scripts/statuspage.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-$(mktemp -d)}
mkdir -p "$out"

if ! command -v chromium >/dev/null; then
  echo "chromium is missing; installing Debian's package" >&2
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi

work=$(mktemp -d)
go build -o "$work/demo" ./cmd/hmaproxy-demo
"$work/demo" -serve -listen 127.0.0.1:0 >"$work/said" 2>"$work/log" &
demo=$!
trap 'kill $demo; wait $demo || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do grep -q 'health:' "$work/said" && break; sleep 0.1; done
admin=$(sed -n 's|.*health: http://\(.*\)/ready$|\1|p' "$work/said")
ews=$(sed -n 's|.*serves EWS at \(http://[^ ]*\) .*|\1|p' "$work/said")
if [[ -z $admin || -z $ews ]]; then
  echo "the demo did not print its address:" >&2
  cat "$work/said" "$work/log" >&2
  exit 1
fi

# Requests that the page will show: the curl command of the demo, a mailbox that
# is not on the list, an operation that is refused, and a wrong path.
body=$(sed -n "s/.* -d '\(.*\)'\$/\1/p" "$work/said")
post() { curl -s -o "$work/response" -H 'Content-Type: text/xml; charset=utf-8' -d "$1" "$ews"; }
for i in $(seq 40); do
  post "$body"
  if [ $((i % 9)) = 0 ]; then post "${body//alice@/ceo@}"; fi
  if [ $((i % 13)) = 0 ]; then post "${body//GetFolder/AddDelegate}"; fi
done
curl -s -o "$work/response" "${ews%/*}/Other.asmx"
grep -q . <(curl -fsS "http://$admin/status.json")

shoot() { # name, size, further flags
  timeout 60 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr \
    --virtual-time-budget=2000 --window-size="$2" "${@:3}" --screenshot="$out/$1.png" "http://$admin/?still" 2>"$work/$1.log"
  if grep -iE 'Content.Security.Policy|violat' "$work/$1.log"; then
    echo "$1: the page breaks its own policy" >&2
    exit 1
  fi
  echo "$out/$1.png"
}
shoot light 1280,1300
shoot dark 1280,1300 --blink-settings=preferredColorScheme=0
shoot phone 390,2200
