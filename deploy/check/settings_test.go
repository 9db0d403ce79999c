package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"hmaproxy/internal/config"
)

// secrets returns the Secrets that the READMEs describe.
func secrets(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	certificate, key := keyPair(t)
	return map[string]map[string][]byte{
		"hmaproxy": {
			"client-secret": []byte("not-one"),
			// The hash was made with the command hmaproxy hash-password.
			"users": []byte("crm:$2a$10$/7lhZBLxx32r7WplKoeLP.RxUfv9CsUCMmZQU7JaQl0OmV5YZJr8q sync@contoso.com\n"),
		},
		"hmaproxy-tls": {"tls.crt": certificate, "tls.key": key},
	}
}

func keyPair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"hmaproxy", "hmaproxy.hmaproxy", "hmaproxy.hmaproxy.svc", "hmaproxy.hmaproxy.svc.cluster.local"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// A cluster holds the objects from which a container's settings are made.
type cluster struct {
	maps    map[string]map[string]string
	secrets map[string]map[string][]byte
}

func newCluster(t *testing.T, objects []runtime.Object) cluster {
	t.Helper()
	c := cluster{map[string]map[string]string{}, secrets(t)}
	for _, object := range objects {
		if m, ok := object.(*corev1.ConfigMap); ok {
			c.maps[m.Name] = m.Data
		}
	}
	if len(c.maps) == 0 { // users of pod.yaml create the ConfigMaps themselves
		c.maps["hmaproxy"] = envFile(t, "../kubernetes/components/sidecar/hmaproxy.env")
		c.maps["hmaproxy-mailboxes"] = map[string]string{"mailboxes": "sync@contoso.com"}
	}
	return c
}

func envFile(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := config.ParseEnvFile(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		all[key] = value
	}
	return all
}

// environ returns the environment variables of the container.
func (c cluster) environ(t *testing.T, container *corev1.Container) []string {
	t.Helper()
	var all []string
	for _, from := range container.EnvFrom {
		m, ok := c.maps[from.ConfigMapRef.Name]
		if !ok {
			t.Errorf("no ConfigMap %s", from.ConfigMapRef.Name)
		}
		for name, value := range m {
			all = append(all, name+"="+value)
		}
	}
	for _, e := range container.Env {
		all = append(all, e.Name+"="+e.Value)
	}
	return all
}

// readFile returns a reader of the files that are mounted into the container.
func (c cluster) readFile(pod *corev1.PodTemplateSpec, container *corev1.Container) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		folder, key := path.Split(name)
		for _, m := range container.VolumeMounts {
			i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
			if m.MountPath+"/" != folder || i < 0 {
				continue
			}
			switch v := pod.Spec.Volumes[i]; {
			case v.ConfigMap != nil && c.maps[v.ConfigMap.Name][key] != "":
				return []byte(c.maps[v.ConfigMap.Name][key]), nil
			case v.Secret != nil && c.secrets[v.Secret.SecretName][key] != nil:
				return c.secrets[v.Secret.SecretName][key], nil
			}
		}
		return nil, errors.Join(errors.New(name), fs.ErrNotExist)
	}
}

// TestSettingsOfPods checks that the product accepts the settings of every variant,
// and that they are as strict as the README says.
func TestSettingsOfPods(t *testing.T) {
	each(t, func(t *testing.T, objects []runtime.Object) {
		pod, container := workload(t, objects)
		around := newCluster(t, objects)
		c, err := config.Load(around.environ(t, container), around.readFile(pod, container))
		if err != nil {
			t.Fatal(err)
		}
		if !c.Limited() {
			t.Error("no allow-list")
		}
		gateway := strings.Contains(t.Name(), "gateway")
		if gateway != (c.ClientUsersFile != "") || gateway != (c.TLSCertFiles != nil) {
			t.Errorf("client users %q, TLS %q", c.ClientUsersFile, c.TLSCertFiles)
		}
		if identity := strings.Contains(t.Name(), "workload-identity"); identity != (c.VaultAuth == config.AuthWorkload) || identity != (c.VaultSecretFile == "") {
			t.Errorf("vault by %v with secret %q", c.VaultAuth, c.VaultSecretFile)
		}
		if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil {
			if needed := c.ShutdownDelay + c.ShutdownTimeout; time.Duration(*grace)*time.Second <= needed {
				t.Errorf("%d s of grace, and %s are needed", *grace, needed)
			}
		}
		for _, w := range c.Warnings() {
			if !strings.HasPrefix(w, "HMA_ADMIN_LISTEN leaves loopback") && !(gateway && strings.HasPrefix(w, "HMA_UNSAFE_LISTEN_ANY")) {
				t.Errorf("warning: %s", w)
			}
		}
	})
}
