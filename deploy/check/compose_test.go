package check

import (
	"context"
	"os"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"hmaproxy/internal/config"
)

// project reads a file as docker compose does. It checks the schema and the
// references between services, and reads the files that the project names.
func project(t *testing.T, file string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose/" + file}, cli.WithoutEnvironmentResolution, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompose(t *testing.T) {
	for _, c := range []struct{ file, client string }{{"compose.yaml", "sync"}, {"dev.yaml", "client"}} {
		t.Run(c.file, func(t *testing.T) {
			services := project(t, c.file).Services
			if got := services[c.client].NetworkMode; got != "service:hmaproxy" {
				t.Errorf("%s has network mode %q", c.client, got)
			}
			if got := services[c.client].DependsOn["hmaproxy"].Condition; got != types.ServiceConditionHealthy {
				t.Errorf("%s waits for %q", c.client, got)
			}
			if h := services["hmaproxy"].HealthCheck; h == nil || len(h.Test) < 2 {
				t.Error("hmaproxy has no health check")
			}
			if ports := services["hmaproxy"].Ports; len(ports) > 0 {
				t.Errorf("ports are published: %v", ports)
			}
		})
	}
}

// TestSettingsOfCompose checks that the product accepts the settings of
// compose.yaml.
func TestSettingsOfCompose(t *testing.T) {
	proxy := project(t, "compose.yaml").Services["hmaproxy"]
	var environ []string
	for _, f := range proxy.EnvFiles {
		for name, value := range envFile(t, f.Path) {
			environ = append(environ, name+"="+value)
		}
	}
	for name, value := range proxy.Environment {
		environ = append(environ, name+"="+*value)
	}
	c, err := config.Load(environ, func(name string) ([]byte, error) {
		if name == "/run/secrets/"+proxy.Secrets[0].Source {
			return []byte("not-one"), nil
		}
		return nil, os.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Limited() || len(c.Warnings()) > 0 {
		t.Errorf("allow-list %v, warnings %q", c.Limited(), c.Warnings())
	}
}

// TestSettingsOfExample checks that the product accepts
// deploy/hmaproxy.env.example.
func TestSettingsOfExample(t *testing.T) {
	var environ []string
	for name, value := range envFile(t, "../hmaproxy.env.example") {
		environ = append(environ, name+"="+value)
	}
	if _, err := config.Load(environ, os.ReadFile); err != nil {
		t.Fatal(err)
	}
}
