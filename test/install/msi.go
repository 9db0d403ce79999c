package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// checkInstaller checks the tables of the Windows Installer package, because the
// package cannot be installed on Linux. The tables are read with msiinfo, which is
// not the program that made the package.
func checkInstaller(ctx context.Context, dist release) error {
	file := filepath.Join(dist.folder, "hmaproxy_windows_amd64.msi")
	if _, err := os.Stat(file); err != nil {
		fmt.Println("   NOT CHECKED: the release has no Windows Installer package (Debian: wixl)")
		return nil
	}
	tool, err := exec.LookPath("msiinfo")
	if err != nil {
		fmt.Println("   NOT CHECKED: msiinfo is not installed (Debian: msitools)")
		return nil
	}
	read := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, tool, args...).Output()
		if err != nil {
			return "", fmt.Errorf("msiinfo %s: %w", strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	db := database{}
	for _, name := range []string{"Component", "CustomAction", "Directory", "File", "InstallExecuteSequence", "Property", "Registry", "RemoveFile", "ServiceControl", "ServiceInstall", "Upgrade"} {
		text, err := read("export", file, name)
		if err != nil {
			return err
		}
		db[name] = parseTable(text)
	}
	summary, err := read("suminfo", file)
	if err != nil {
		return err
	}
	if !strings.Contains(summary, "Template: x64;1033") {
		return fmt.Errorf("the package is not for 64-bit Windows:\n%s", summary)
	}
	if err := errors.Join(db.check()...); err != nil {
		return err
	}
	fmt.Printf("   the tables of %s are right: %d files, %d custom actions\n", filepath.Base(file), len(db["File"]), len(db["CustomAction"]))
	return nil
}

// A database maps the names of the tables of a Windows Installer package to the
// tables.
type database map[string]table

// A table maps the primary keys of its rows to the rows. A row maps the names of
// the columns to the values.
type table map[string]map[string]string

// parseTable reads a table in the format of msiinfo export: a line of column names,
// a line of types, a line with the table's name and key, and the rows, with tabs
// between the columns.
func parseTable(text string) table {
	rows := table{}
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	columns := strings.Split(lines[0], "\t")
	for _, line := range lines[min(3, len(lines)):] {
		if line == "" {
			continue
		}
		row := map[string]string{}
		for i, value := range strings.Split(line, "\t") {
			row[columns[min(i, len(columns)-1)]] = value
		}
		key := row[columns[0]]
		for _, taken := rows[key]; taken; _, taken = rows[key] {
			key += "'" // the primary key has several columns, and another row has the same first column
		}
		rows[key] = row
	}
	return rows
}

// The type of a custom action is the sum of these numbers. See
// https://learn.microsoft.com/windows/win32/msi/summary-list-of-all-custom-action-types
// and the pages on the options of return processing and of in-script execution.
const (
	runInstalledFile     = 18
	ignoreExitCode       = 64
	deferred             = 1024
	withoutImpersonation = 2048 // runs in the system's account
)

const upgradeCode = "{6F1D0B5C-2A57-5E0B-A1C4-3D7D3C9B1E42}" // must not change: a newer package replaces an installed one only if both have the same code

// check returns what is wrong with the tables. The numbers in it are explained at
// https://learn.microsoft.com/windows/win32/msi/database-tables.
func (db database) check() (wrong []error) {
	expect := func(what, got, want string) {
		if got != want {
			wrong = append(wrong, fmt.Errorf("%s is %q, want %q", what, got, want))
		}
	}
	value := func(name, key, column string) string { return db[name][key][column] }

	expect("ALLUSERS", value("Property", "ALLUSERS", "Value"), "1")
	expect("UpgradeCode", value("Property", "UpgradeCode", "Value"), upgradeCode)
	expect("the file that the custom actions run", value("File", "Program", "FileName"), "hmaproxy.exe")
	const action = runInstalledFile + deferred + withoutImpersonation
	for name, want := range map[string]struct {
		kind      int
		command   string
		condition string
	}{
		"RemoveService":  {action + ignoreExitCode, "service remove", `REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE`},
		"ReplaceService": {action + ignoreExitCode, "service remove", "NOT REMOVE"},
		"InstallService": {action, `service install -env-file "[CommonAppDataFolder]hmaproxy\hmaproxy.env"`, "NOT REMOVE"},
		"StartService":   {action + ignoreExitCode, "service start", "(WIX_UPGRADE_DETECTED OR REINSTALL) AND NOT REMOVE"},
	} {
		expect(name+": type", value("CustomAction", name, "Type"), strconv.Itoa(want.kind))
		expect(name+": file", value("CustomAction", name, "Source"), "Program")
		expect(name+": command", value("CustomAction", name, "Target"), want.command)
		expect(name+": condition", value("InstallExecuteSequence", name, "Condition"), want.condition)
	}
	expect("number of custom actions", strconv.Itoa(len(db["CustomAction"])), "4")
	wrong = append(wrong, db.checkOrder("InstallValidate", "RemoveExistingProducts", "InstallInitialize"),
		db.checkOrder("StopServices", "RemoveService", "RemoveFiles"),
		db.checkOrder("InstallFiles", "ReplaceService", "InstallService", "StartService", "InstallFinalize"))

	// Event has bit 2 (stop the service when the package is installed) and bit
	// 32 (stop it when the package is removed). Wait is 1: the installer waits
	// until the service has stopped. ServiceInstall has no rows, because
	// hmaproxy registers the service itself.
	expect("ServiceControl: service", value("ServiceControl", "Stop", "Name"), "hmaproxy")
	expect("ServiceControl: events", value("ServiceControl", "Stop", "Event"), strconv.Itoa(2+32))
	expect("ServiceControl: wait", value("ServiceControl", "Stop", "Wait"), "1")
	for _, name := range []string{"ServiceInstall", "Registry", "RemoveFile"} {
		expect("number of rows of "+name, strconv.Itoa(len(db[name])), "0")
	}
	return append(append(wrong, db.checkUpgrade()...), db.checkComponents()...)
}

// checkOrder returns an error if the actions do not run in this order.
func (db database) checkOrder(actions ...string) error {
	before := 0
	for _, name := range actions {
		at, err := strconv.Atoi(db["InstallExecuteSequence"][name]["Sequence"])
		if err != nil || at <= before {
			return fmt.Errorf("sequence of %s: %q does not run after %d", strings.Join(actions, ", "), name, before)
		}
		before = at
	}
	return nil
}

// checkUpgrade checks that every older version is replaced, and that a newer
// version is only detected (bit 2 of Attributes). The installation ends if it
// detects a newer version.
func (db database) checkUpgrade() (wrong []error) {
	version := db["Property"]["ProductVersion"]["Value"]
	got := map[string]string{}
	for _, row := range db["Upgrade"] {
		attributes, _ := strconv.Atoi(row["Attributes"])
		got[row["ActionProperty"]] = fmt.Sprintf("%s from %q to %q, detects only %t", row["UpgradeCode"], row["VersionMin"], row["VersionMax"], attributes&2 != 0)
	}
	for property, want := range map[string]string{
		"WIX_UPGRADE_DETECTED":   fmt.Sprintf("%s from %q to %q, detects only false", upgradeCode, "", version),
		"WIX_DOWNGRADE_DETECTED": fmt.Sprintf("%s from %q to %q, detects only true", upgradeCode, version, ""),
	} {
		if got[property] != want {
			wrong = append(wrong, fmt.Errorf("upgrade %s: %s, want %s", property, got[property], want))
		}
	}
	return wrong
}

// checkComponents checks that all files go below the program's folder, and so none
// to ProgramData, where the settings are. Every component must be 64-bit
// (Attributes 256) and have an id of its own.
func (db database) checkComponents() (wrong []error) {
	ids := map[string]bool{}
	for name, row := range db["Component"] {
		folder := row["Directory_"]
		for steps := 0; folder != "INSTALLDIR" && folder != "" && steps < 20; steps++ {
			folder = db["Directory"][folder]["Directory_Parent"]
		}
		if folder != "INSTALLDIR" {
			wrong = append(wrong, fmt.Errorf("component %s is in the folder %s, outside of the program's folder", name, row["Directory_"]))
		}
		if row["Attributes"] != "256" || row["ComponentId"] == "" || ids[row["ComponentId"]] {
			wrong = append(wrong, fmt.Errorf("component %s: attributes %s, id %s; expected 256 and an id of its own", name, row["Attributes"], row["ComponentId"]))
		}
		ids[row["ComponentId"]] = true
	}
	if parent := db["Directory"]["INSTALLDIR"]["Directory_Parent"]; parent != "ProgramFiles64Folder" {
		wrong = append(wrong, fmt.Errorf("the program's folder is in %s", parent))
	}
	if len(ids) == 0 || len(db["File"]) < len(ids) {
		wrong = append(wrong, errors.New("the package has no files"))
	}
	return wrong
}
