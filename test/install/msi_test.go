package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeInstaller makes a package of two files as scripts/release.sh does, and returns
// the folder of the release.
func makeInstaller(t *testing.T) release {
	t.Helper()
	for _, program := range []string{"bash", "wixl", "msiinfo", "msibuild"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT CHECKED: %s is not installed (Debian: wixl, msitools)", program)
		}
	}
	folder, dist := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hmaproxy.exe", "docs/setup.md"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runTool(t, "bash", "../../packaging/windows/msi.sh", "v1.2.3", folder, filepath.Join(dist, "hmaproxy_windows_amd64.msi"))
	return release{dist}
}

func runTool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestInstallerTables changes one table of a package at a time, and checks that
// checkInstaller finds each change.
func TestInstallerTables(t *testing.T) {
	made := makeInstaller(t)
	data, err := os.ReadFile(filepath.Join(made.folder, "hmaproxy_windows_amd64.msi"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ query, want string }{
		"as made":                       {"", ""},
		"for one user only":             {"UPDATE `Property` SET `Value` = '2' WHERE `Property` = 'ALLUSERS'", "ALLUSERS"},
		"another product line":          {"UPDATE `Property` SET `Value` = '{00000000-2A57-5E0B-A1C4-3D7D3C9B1E42}' WHERE `Property` = 'UpgradeCode'", "UpgradeCode"},
		"service in the user's account": {"UPDATE `CustomAction` SET `Type` = 1042 WHERE `Action` = 'InstallService'", "InstallService: type"},
		"another env file":              {"UPDATE `CustomAction` SET `Target` = 'service install' WHERE `Action` = 'InstallService'", "InstallService: command"},
		"service kept at a removal":     {"UPDATE `InstallExecuteSequence` SET `Condition` = 'NOT REMOVE' WHERE `Action` = 'RemoveService'", "RemoveService: condition"},
		"started before the files":      {"UPDATE `InstallExecuteSequence` SET `Sequence` = 3999 WHERE `Action` = 'InstallService'", "does not run after"},
		"service not stopped":           {"UPDATE `ServiceControl` SET `Event` = 32 WHERE `ServiceControl` = 'Stop'", "ServiceControl: events"},
		"older versions kept":           {"DELETE FROM `Upgrade` WHERE `ActionProperty` = 'WIX_UPGRADE_DETECTED'", "upgrade WIX_UPGRADE_DETECTED"},
		"a file in ProgramData":         {"UPDATE `Component` SET `Directory_` = 'CommonAppDataFolder' WHERE `Component` = 'C_docs'", "outside of the program's folder"},
		"a 32-bit component":            {"UPDATE `Component` SET `Attributes` = 0 WHERE `Component` = 'C'", "component C: attributes 0"},
	} {
		t.Run(name, func(t *testing.T) {
			dist := release{t.TempDir()}
			file := filepath.Join(dist.folder, "hmaproxy_windows_amd64.msi")
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if tc.query != "" {
				runTool(t, "msibuild", file, "-q", tc.query)
			}
			got := ""
			if err := checkInstaller(context.Background(), dist); err != nil {
				got = err.Error()
			}
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("error %q, want %q", got, tc.want)
			}
		})
	}
}
