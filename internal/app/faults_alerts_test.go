package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// alertTests is a test file for promtool, which tests the alert rules with the metrics
// of each fault. scripts/monitoring.sh runs promtool with this file.
const alertTests = "../../deploy/monitoring/faults.rules.test.yaml"

const alertTestsHead = `# Which alerts fire while a fault of docs/faults.md lasts, by the metrics that the
# product had with it. Written together with that file, by
# TestFaultMatrix with -update-faults.
rule_files: [hmaproxy.rules.yaml]
evaluation_interval: 1m
tests:
`

// sample matches a line of /metrics.
var sample = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? (\S+)$`)

// samples returns the values in text, a response of /metrics. The keys are name and
// labels: `name{labels}`.
func samples(text string) map[string]float64 {
	values := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(m[3], 64); err == nil {
			values[m[1]+"{"+m[2]+"}"] = v
		}
	}
	return values
}

// The function "lasting" returns those metrics that the alert rules use, as series of
// two hours in promtool's format. before and after are responses of /metrics before
// and during a fault. The series show a fault that lasts: in each minute, a counter
// grows by its difference between before and after, but by at most 10. A time advances
// with the clock. Other metrics keep the value that they have in after; a number of
// failures is at most 10.
func lasting(t *testing.T, before, after string) []string {
	t.Helper()
	old, now := samples(before), float64(time.Now().Unix())
	longest := map[string]float64{"hmaproxy_token_expiry_timestamp_seconds": 900, "hmaproxy_certificate_expiry_timestamp_seconds": 60 * 86400, "hmaproxy_tls_certificate_expiry_timestamp_seconds": 60 * 86400}
	used := ""
	for _, e := range ruleExpressions(t) {
		if !strings.HasPrefix(e, "annotations:") {
			used += e
		}
	}
	var all []string
	for key, value := range samples(after) {
		name, labels, _ := strings.Cut(key, "{")
		if !slices.Contains(metricName.FindAllString(used, -1), name) {
			continue
		}
		labels = strings.TrimPrefix(strings.TrimSuffix(labels, "}")+`,instance="a"`, ",")
		values := fmt.Sprintf("%gx120", value)
		switch {
		case strings.HasSuffix(name, "_failures"):
			values = fmt.Sprintf("%gx120", min(value, 10))
		case strings.HasSuffix(name, "_total"), strings.HasSuffix(name, "_count"):
			values = fmt.Sprintf("0+%gx120", min(value-old[key], 10)) // limited, because the number of retries is random
		case strings.HasSuffix(name, "_timestamp_seconds"):
			// The value is limited because it has a random part. The limit is
			// above every threshold of the rules.
			values = fmt.Sprintf("%d+60x120", int(min(max(value-now, -600), longest[name])))
		}
		all = append(all, fmt.Sprintf("      - {series: '%s{%s}', values: %q}\n", name, strings.ReplaceAll(labels, "'", "''"), values))
	}
	slices.Sort(all)
	return all
}

// alertTest returns a test in promtool's format. It checks that exactly the given
// alerts fire after 100 minutes of the series.
func alertTest(name string, series, alerts []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: '%s'\n    interval: 1m\n    input_series:\n%s", strings.ReplaceAll(name, "'", "''"), strings.Join(series, ""))
	b.WriteString("    promql_expr_test:\n      - expr: 'group by (alertname) (ALERTS{alertstate=\"firing\"})'\n        eval_time: 100m\n        exp_samples:")
	if len(alerts) == 0 {
		b.WriteString(" []")
	}
	for _, a := range alerts {
		fmt.Fprintf(&b, "\n          - {labels: '{alertname=%q}', value: 1}", a)
	}
	return b.String() + "\n"
}

var firing = regexp.MustCompile(`alertname=\\?"(\w+)\\?"`)

// promtoolAlerts returns the alerts that promtool finds firing. It runs a test
// that expects no alert, because promtool's error then names the alerts that
// fire.
func promtoolAlerts(t *testing.T, series []string) []string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"hmaproxy.rules.yaml": read(t, rules), "test.yaml": alertTestsHead + alertTest("x", series, nil)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("promtool", "test", "rules", "test.yaml")
	run.Dir = folder
	out, err := run.CombinedOutput()
	_, got, _ := strings.Cut(string(out), "got:")
	var alerts []string
	for _, m := range firing.FindAllStringSubmatch(got, -1) {
		alerts = append(alerts, m[1])
	}
	if (err == nil) != (len(alerts) == 0) {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	slices.Sort(alerts)
	return slices.Compact(alerts)
}
