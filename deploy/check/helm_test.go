package check

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	chartcommon "helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

const charts = "../helm"

// The variants that Helm renders.
const (
	helmSidecar = "helm sidecar"
	helmGateway = "helm gateway"
)

// loadChart returns the chart of a variant, and values such as a user would set.
func loadChart(t *testing.T, variant string) (*chart.Chart, map[string]any) {
	t.Helper()
	load := func(name string) *chart.Chart {
		c, err := loader.Load(filepath.Join(charts, name))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if variant == helmSidecar {
		c := load("example")
		c.AddDependency(load("hmaproxy-sidecar")) // as helm dependency build does
		return c, map[string]any{"hmaproxy": map[string]any{"monitoring": map[string]any{"enabled": true}}}
	}
	settings := map[string]any{}
	for name, value := range envFile(t, "../kubernetes/components/sidecar/hmaproxy.env") {
		settings[name] = value
	}
	return load("hmaproxy-gateway"), map[string]any{
		"settings": settings, "mailboxes": []any{"sync@contoso.com"}, "monitoring": map[string]any{"enabled": true},
	}
}

// tryChart renders the chart of a variant; change, unless nil, alters the values.
func tryChart(t *testing.T, variant string, change func(values map[string]any)) ([]byte, error) {
	t.Helper()
	c, values := loadChart(t, variant)
	if change != nil {
		change(values)
	}
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, err
	}
	all, err := util.ToRenderValues(c, values, chartcommon.ReleaseOptions{Name: "hmaproxy", Namespace: "hmaproxy"}, chartcommon.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var documents [][]byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := strings.TrimSpace(files[name]); text != "" && strings.HasSuffix(name, ".yaml") {
			documents = append(documents, []byte(text))
		}
	}
	return bytes.Join(documents, []byte("\n---\n")), nil
}

func renderChart(t *testing.T, variant string, change func(values map[string]any)) []byte {
	t.Helper()
	data, err := tryChart(t, variant, change)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestChartsAreClean runs Helm's linter on the charts.
func TestChartsAreClean(t *testing.T) {
	for _, name := range []string{"hmaproxy-sidecar", "hmaproxy-gateway"} {
		_, values := loadChart(t, helmGateway)
		if name == "hmaproxy-sidecar" {
			values = nil
		}
		result := lint.RunAll(filepath.Join(charts, name), values, "hmaproxy")
		for _, message := range result.Messages {
			if !strings.Contains(message.Err.Error(), "icon is recommended") {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// TestChartsRefuse checks that rendering the gateway chart fails for invalid
// values, so that they do not reach a cluster.
func TestChartsRefuse(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(values map[string]any)
		want   string // part of the error; "": no error
	}{
		{"nothing", func(map[string]any) {}, ""},
		{"another setting", func(v map[string]any) { v["settings"].(map[string]any)["HMA_LOG_LEVEL"] = "debug" }, ""},
		{"an unknown setting", func(v map[string]any) { v["settings"].(map[string]any)["EWS_URL"] = "https://x" }, "EWS_URL"},
		{"a secret among the settings", func(v map[string]any) {
			v["settings"].(map[string]any)["HMA_KEY_VAULT_CLIENT_SECRET"] = "secret"
		}, "HMA_KEY_VAULT_CLIENT_SECRET"},
		{"the list among the settings", func(v map[string]any) { v["settings"].(map[string]any)["HMA_ALLOWED_MAILBOXES"] = "*" }, "HMA_ALLOWED_MAILBOXES"},
		{"an empty setting", func(v map[string]any) { v["settings"].(map[string]any)["HMA_LOG_LEVEL"] = "" }, "HMA_LOG_LEVEL"},
		{"no mailboxes", func(v map[string]any) { v["mailboxes"] = []any{} }, "mailboxes is empty"},
		{"two mailboxes in one", func(v map[string]any) { v["mailboxes"] = []any{"a@contoso.com,b@contoso.com"} }, "mailboxes"},
		{"a misspelt value", func(v map[string]any) { v["monitor"] = true }, "monitor"},
		{"no memory", func(v map[string]any) { v["resources"] = map[string]any{"memoryLimitMiB": 63} }, "memoryLimitMiB"},
		{"the least memory", func(v map[string]any) { v["resources"] = map[string]any{"memoryLimitMiB": 64} }, ""},
		{"no processor", func(v map[string]any) { v["resources"] = map[string]any{"processors": 0} }, "processors"},
		{"no client labels", func(v map[string]any) {
			v["networkPolicy"] = map[string]any{"clientLabels": map[string]any{"hmaproxy-client": nil}}
		}, "clientLabels"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tryChart(t, helmGateway, tc.change)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// TestSidecarChartWithoutSecret checks that the sidecar chart mounts no Secret if
// a workload identity is used.
func TestSidecarChartWithoutSecret(t *testing.T) {
	data := renderChart(t, helmSidecar, func(values map[string]any) {
		values["hmaproxy"] = map[string]any{"secretName": "", "settings": map[string]any{"HMA_KEY_VAULT_AUTH": "workload"}}
	})
	pod, container := workload(t, decode(t, data))
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			t.Errorf("volume %s is a Secret", v.Name)
		}
	}
	for _, e := range container.Env {
		if e.Name == "HMA_KEY_VAULT_CLIENT_SECRET_FILE" {
			t.Error("a client secret is expected")
		}
	}
}

// TestMemoryLimits checks that GOMEMLIMIT is three quarters of the container's
// limit.
func TestMemoryLimits(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		_, c := workload(t, objects)
		i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
		if i < 0 {
			t.Fatal("no GOMEMLIMIT")
		}
		limit := c.Resources.Limits[corev1.ResourceMemory]
		soft, err := parseLimit(c.Env[i].Value)
		if share := soft / limit.AsApproximateFloat64(); err != nil || share != 0.75 {
			t.Errorf("GOMEMLIMIT %s of %s: %.2f, %v", c.Env[i].Value, limit.String(), share, err)
		}
	})
}

// TestProcessors checks that a gateway uses two processors, and that a sidecar keeps
// hmaproxy's default of one.
func TestProcessors(t *testing.T) {
	for _, tc := range []struct{ variant, want string }{{"overlays/gateway", "2"}, {helmGateway, "2"}, {"base", ""}, {helmSidecar, ""}} {
		_, c := workload(t, decode(t, render(t, tc.variant)))
		got := ""
		for _, e := range c.Env {
			if e.Name == "GOMAXPROCS" {
				got = e.Value
			}
		}
		if got != tc.want {
			t.Errorf("%s: GOMAXPROCS %q, want %q", tc.variant, got, tc.want)
		}
	}
}

// parseLimit parses GOMEMLIMIT, whose units end in B.
func parseLimit(text string) (float64, error) {
	q, err := resource.ParseQuantity(strings.TrimSuffix(text, "B"))
	return q.AsApproximateFloat64(), err
}
