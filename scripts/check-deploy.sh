#!/usr/bin/env bash
# Checks the files in deploy/kubernetes, deploy/helm and deploy/compose strictly
# against the types of Kubernetes, the Prometheus operator and Compose, and checks the
# settings in them with the product's own parser. Helm lints and renders the charts.
# Then the script runs the development stack without containers.
set -euo pipefail
cd "$(dirname "$0")/.."

(cd deploy/check && go mod tidy -diff && go vet ./... && go test ./...)

work=$(mktemp -d)
trap 'kill "${pid:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
address=127.0.0.1:18099
go build -o "$work/demo" ./cmd/hmaproxy-demo
"$work/demo" -serve -listen "$address" >"$work/said" 2>&1 &
pid=$!
for _ in $(seq 1200); do
  curl -fsS "http://$address/EWS/Exchange.asmx" >/dev/null 2>&1 && break
  sleep 0.1
done
curl -fsS -H 'Content-Type: text/xml; charset=utf-8' --data-binary @deploy/compose/getfolder.xml "http://$address/EWS/Exchange.asmx" >"$work/response" ||
  { cat "$work/said" >&2; exit 1; }
grep -q '<m:GetFolderResponse' "$work/response" || { cat "$work/response" >&2; exit 1; }
echo "the development stack's request gets a response"
