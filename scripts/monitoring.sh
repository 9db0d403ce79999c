#!/usr/bin/env bash
# Checks the files in deploy/monitoring, including every expression of the
# dashboard, with Prometheus' own tool. With the address of a running hmaproxy's
# admin listener it also lints the metrics: scripts/monitoring.sh 127.0.0.1:8081
set -euo pipefail
cd "$(dirname "$0")/../deploy/monitoring"

if ! command -v promtool >/dev/null; then
  echo "promtool is missing; installing Debian's package prometheus" >&2
  apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi

promtool check rules --lint-fatal hmaproxy.rules.yaml
promtool test rules hmaproxy.rules.test.yaml faults.rules.test.yaml

# Replaces Grafana's variables by values and makes each expression a rule.
expressions=$(mktemp --suffix=.yaml)
trap 'rm -f "$expressions"' EXIT
python3 - >"$expressions" <<'EOF'
import json

panels = json.load(open("grafana-dashboard.json"))["panels"]
rules = []
for panel in panels:
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        rules.append({"record": f"panel:{panel['id']}{target['refId'].lower()}", "expr": expr})
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
EOF
promtool check rules "$expressions"

if [ $# -gt 0 ]; then
  curl -fsS "http://$1/metrics" | promtool check metrics
  echo "metrics of $1: good"
fi
