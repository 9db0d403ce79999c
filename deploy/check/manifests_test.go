package check

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const kubernetes = "../kubernetes"

// variants are the folders for kubectl apply -k, the pod, and the charts.
var variants = []string{"base", "overlays/job", "overlays/workload-identity", "overlays/gateway", "overlays/monitoring", "pod.yaml", helmSidecar, helmGateway}

// render returns the objects that kubectl would send to the API server.
func render(t *testing.T, variant string) []byte {
	t.Helper()
	if strings.HasPrefix(variant, "helm ") {
		return renderChart(t, variant, nil)
	}
	path := filepath.Join(kubernetes, variant)
	if strings.HasSuffix(variant, ".yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode decodes documents into objects. An unknown field is an error.
func decode(t *testing.T, data []byte) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme,
		autoscalingv2.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var all []runtime.Object
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		all = append(all, object)
	}
	return all
}

// podOf returns the pod that a workload creates, nil for other objects.
func podOf(object runtime.Object) *corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	}
	return nil
}

// workload returns the one pod of a variant, and its container hmaproxy.
func workload(t *testing.T, objects []runtime.Object) (*corev1.PodTemplateSpec, *corev1.Container) {
	t.Helper()
	for _, object := range objects {
		pod := podOf(object)
		if pod == nil {
			continue
		}
		for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range containers {
				if containers[i].Name == "hmaproxy" {
					return pod, &containers[i]
				}
			}
		}
	}
	t.Fatal("no container hmaproxy")
	return nil, nil
}

func each(t *testing.T, test func(t *testing.T, objects []runtime.Object)) {
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) { test(t, decode(t, render(t, variant))) })
	}
}

// TestPodSecurity checks that every pod conforms to the standard "restricted".
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, _ := workload(t, objects)
		if strings.HasSuffix(t.Name(), "pod.yaml") {
			pod.Spec.Containers = nil // users replace the sample container
			pod.Spec.Containers = append(pod.Spec.Containers, pod.Spec.InitContainers...)
		}
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason(), result.ForbiddenDetail())
		}
	})
}

func TestHmaproxyContainer(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, c := workload(t, objects)
		sidecar := slices.ContainsFunc(pod.Spec.InitContainers, func(i corev1.Container) bool { return i.Name == "hmaproxy" })
		if sidecar && (c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways) {
			t.Error("an init container that is not a sidecar")
		}
		if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Error("the root file system can be written to")
		}
		if c.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
			t.Errorf("terminationMessagePolicy %q", c.TerminationMessagePolicy)
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("resources %v", c.Resources)
		}
		for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			checkProbe(t, c, name, probe)
		}
		for _, m := range c.VolumeMounts {
			if m.SubPath != "" || m.SubPathExpr != "" || !m.ReadOnly {
				t.Errorf("mount %s: subPath %q, read-only %v", m.MountPath, m.SubPath, m.ReadOnly)
			}
			if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				t.Errorf("mount %s: no volume %s", m.MountPath, m.Name)
			}
		}
		for _, v := range pod.Spec.Volumes {
			mode := int32(0o444)
			if v.Secret != nil && v.Secret.DefaultMode != nil {
				mode = *v.Secret.DefaultMode
			}
			grouped := pod.Spec.SecurityContext.FSGroup != nil
			if readable := mode&0o004 != 0 || grouped && mode&0o040 != 0; !readable {
				t.Errorf("volume %s: mode %o, which user 65532 cannot read", v.Name, mode)
			}
		}
	})
}

func checkProbe(t *testing.T, c *corev1.Container, name string, probe *corev1.Probe) {
	t.Helper()
	if probe == nil || probe.HTTPGet == nil {
		t.Errorf("no %s probe", name)
		return
	}
	if !slices.Contains([]string{"/startup", "/ready", "/live"}, probe.HTTPGet.Path) {
		t.Errorf("%s probe: path %s", name, probe.HTTPGet.Path)
	}
	if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.String() }) {
		t.Errorf("%s probe: no port %s", name, probe.HTTPGet.Port.String())
	}
}

// TestSelectors checks that all label selectors select the variant's pods.
func TestSelectors(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, c := workload(t, objects)
		for _, object := range objects {
			switch o := object.(type) {
			case *appsv1.Deployment:
				chooses(t, "Deployment", o.Spec.Selector, pod)
				for i := range pod.Spec.TopologySpreadConstraints {
					chooses(t, "topology spread", pod.Spec.TopologySpreadConstraints[i].LabelSelector, pod)
				}
			case *policyv1.PodDisruptionBudget:
				chooses(t, "PodDisruptionBudget", o.Spec.Selector, pod)
			case *networkingv1.NetworkPolicy:
				chooses(t, "NetworkPolicy", &o.Spec.PodSelector, pod)
				checkAdminPort(t, o, c)
			case *monitoringv1.PodMonitor:
				chooses(t, "PodMonitor", &o.Spec.Selector, pod)
				port := o.Spec.PodMetricsEndpoints[0].Port
				if port == nil || !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == *port && p.ContainerPort == adminPort }) {
					t.Errorf("PodMonitor: no admin port %v", port)
				}
			case *corev1.Service:
				chooses(t, "Service", &metav1.LabelSelector{MatchLabels: o.Spec.Selector}, pod)
				port := o.Spec.Ports[0].TargetPort.String()
				if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
					t.Errorf("Service: no port %s", port)
				}
			}
		}
	})
}

func chooses(t *testing.T, who string, s *metav1.LabelSelector, pod *corev1.PodTemplateSpec) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) {
		t.Errorf("%s does not choose the pod: %v, %v", who, s, err)
	}
}

// TestMisspeltFieldIsFound checks that the strict decoder refuses a manifest with
// a misspelt field.
func TestMisspeltFieldIsFound(t *testing.T) {
	misspelt := bytes.Replace(render(t, "base"), []byte("readOnlyRootFilesystem"), []byte("readonlyRootFilesystem"), 1)
	scheme := runtime.NewScheme()
	if err := appsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	for document := range bytes.SplitSeq(misspelt, []byte("\n---\n")) {
		if !bytes.Contains(document, []byte("kind: Deployment")) {
			continue
		}
		if _, _, err := strict.Decode(document, nil, nil); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("%v", err)
		}
		return
	}
	t.Fatal("no Deployment")
}
