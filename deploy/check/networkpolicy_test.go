package check

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const adminPort = 8081

// checkAdminPort checks that a policy lets no namespace reach the admin port of
// the container, except the namespaces that the policy selects by labels.
func checkAdminPort(t *testing.T, policy *networkingv1.NetworkPolicy, c *corev1.Container) {
	t.Helper()
	open, named := 0, 0
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			if !covers(port, c, adminPort) {
				continue
			}
			if len(rule.From) == 0 {
				open++
			}
			for _, from := range rule.From {
				if from.NamespaceSelector == nil || len(from.NamespaceSelector.MatchLabels) == 0 {
					open++
				}
			}
			named++
		}
		if len(rule.Ports) == 0 {
			open++
		}
	}
	if open > 0 || named != 1 {
		t.Errorf("NetworkPolicy: the admin port is open to all in %d rules, and named in %d", open, named)
	}
}

// covers reports whether a port of a policy covers a TCP port of the container.
func covers(port networkingv1.NetworkPolicyPort, c *corev1.Container, number int32) bool {
	if port.Protocol != nil && *port.Protocol != corev1.ProtocolTCP {
		return false
	}
	if port.Port == nil {
		return true
	}
	first := port.Port.IntVal
	for _, p := range c.Ports {
		if p.Name == port.Port.StrVal {
			first = p.ContainerPort
		}
	}
	last := first
	if port.EndPort != nil {
		last = *port.EndPort
	}
	return first <= number && number <= last
}

// TestCovers checks that a range of ports includes its first and its last port.
func TestCovers(t *testing.T) {
	port := func(first, last int32) networkingv1.NetworkPolicyPort {
		from := intstr.FromInt32(first)
		return networkingv1.NetworkPolicyPort{Port: &from, EndPort: &last}
	}
	for _, tc := range []struct {
		first, last int32
		want        bool
	}{{1, 8080, false}, {1, 8081, true}, {8081, 65535, true}, {8082, 65535, false}} {
		if got := covers(port(tc.first, tc.last), new(corev1.Container), adminPort); got != tc.want {
			t.Errorf("%d to %d: %v", tc.first, tc.last, got)
		}
	}
}
