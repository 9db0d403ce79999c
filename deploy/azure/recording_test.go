package azure

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A recordedRun is one run of setup.sh with the real az, as ../../test/azure
// recorded it.
type recordedRun struct {
	Args  []string
	Calls []struct {
		Args   []string
		Stdout string
		Code   int
	}
	Requests []struct {
		Method, URL string
		Body        json.RawMessage
	}
}

func recordedRuns(t *testing.T) map[string][]recordedRun {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	all := map[string][]recordedRun{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var one []recordedRun
		if err := json.Unmarshal(text, &one); err != nil || len(one) == 0 {
			t.Fatalf("%s: %d runs, %v", file, len(one), err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = one
	}
	return all
}

// varying matches text that differs between tenants or runs.
var varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9A-F]{40}\b|\b[A-Za-z0-9+/]{27}=|Kv8~\S+|@?\S*/(own\.pfx|password|[a-z]+\.(pem|json))|\d{4}-\d\d-\d\dT[0-9:]+Z`)

var varyingFile = regexp.MustCompile(`\.(pfx|pem|json)$|/password$`)

// names replaces text that differs between runs, so that two runs can be compared.
// Times and paths of files become "?", all other such text becomes a number in order
// of appearance.
type names map[string]string

func (n names) in(text string) string {
	return varying.ReplaceAllStringFunc(text, func(v string) string {
		if strings.Contains(v, ":") || varyingFile.MatchString(v) {
			return filepath.Ext(v) + "?" // times and paths always differ
		}
		if n[v] == "" {
			n[v] = fmt.Sprintf("<%d>", len(n)+1)
		}
		return n[v]
	})
}

// TestDoubleRespondsAsRecorded runs setup.sh with the double of az. It checks that
// the calls of az, the output of each call and its success are those that were
// recorded with the real az, except for the text that differs between runs.
func TestDoubleRespondsAsRecorded(t *testing.T) {
	for name, all := range recordedRuns(t) {
		t.Run(name, func(t *testing.T) {
			n := newTenant(t)
			n.write("own.pfx", "x")
			n.recordOutputs()
			theirs, ours := names{}, names{}
			for _, one := range all {
				t.Setenv("CERT_PASSWORD", "secret")
				args := slices.Clone(one.Args)
				for i, word := range args {
					switch word {
					case "IMPORT":
						args[i] = filepath.Join(n.state, "own.pfx")
					case "ENV":
						args[i] = filepath.Join(n.state, "hmaproxy.env")
					case "KVID":
						args[i] = kvID
					}
				}
				n.mustRun(args...)
				n.compare(one, theirs, ours)
			}
		})
	}
}

// recordOutputs makes the double of az record its output in addition to the calls.
func (n *tenant) recordOutputs() {
	n.t.Helper()
	az := filepath.Join(strings.Split(n.path, string(os.PathListSeparator))[0], "az")
	script := `#!/usr/bin/env bash
out=$("$AZ_STATE/../az" "$@"; echo "code $?")
[[ $out == 'code '* || $out == *$'\n'code* ]] || out=${out/%code /$'\n'code }
printf '%s\n\f\n' "$out" >>"$AZ_STATE/outputs"
code=${out##*code }
[[ ${out%code *} == '' ]] || printf '%s' "${out%code *}"
exit "$code"
`
	script = strings.ReplaceAll(script, "$AZ_STATE/../az", az+".stub")
	if err := os.Rename(az, az+".stub"); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(az, []byte(script), 0o755); err != nil {
		n.t.Fatal(err)
	}
}

// compare checks that the last run made the same calls of az, with the same
// outputs, as the recorded run, which is the parameter "one". In the recorded run
// theirs replaces text that differs between runs, in the last run ours does.
func (n *tenant) compare(one recordedRun, theirs, ours names) {
	n.t.Helper()
	calls := strings.Split(strings.TrimSpace(n.read("calls")), "\n")
	outputs := strings.Split(strings.TrimSuffix(n.read("outputs"), "\n\f\n"), "\n\f\n")
	os.Remove(filepath.Join(n.state, "calls"))
	os.Remove(filepath.Join(n.state, "outputs"))
	if len(calls) != len(one.Calls) || len(outputs) != len(calls) {
		n.t.Fatalf("setup.sh %v: %d calls of az, %d outputs; recorded: %d. If setup.sh has changed, run go run ./test/azure", one.Args, len(calls), len(outputs), len(one.Calls))
	}
	for i, want := range one.Calls {
		if got, want := ours.in(unquoted(calls[i])), theirs.in(strings.Join(want.Args, " ")); got != want {
			n.t.Errorf("call\n  %s\nrecorded\n  %s", got, want)
		}
		code := 0
		output, after, _ := strings.Cut(outputs[i], "code ")
		fmt.Sscan(after, &code)
		if got, want := ours.in(output), theirs.in(want.Stdout); strings.TrimSpace(got) != strings.TrimSpace(want) || (code == 0) != (one.Calls[i].Code == 0) {
			n.t.Errorf("az %s\n  output %q, code %d\n  recorded %q, code %d", calls[i], got, code, want, one.Calls[i].Code)
		}
	}
}

// unquoted undoes what printf %q did to the words of a call.
func unquoted(call string) string {
	return regexp.MustCompile(`\\(.)`).ReplaceAllString(strings.TrimSpace(strings.ReplaceAll(call, "''", "")), "$1")
}

// TestRecordedRequests checks the requests that the real az sent to Azure.
func TestRecordedRequests(t *testing.T) {
	all := recordedRuns(t)
	if dry := all["rbac"][0]; !slices.Contains(dry.Args, "-n") || len(dry.Requests) != 0 {
		t.Errorf("the dry run asked for %d changes", len(dry.Requests))
	}
	if second := all["rbac"][2]; len(second.Requests) != 0 {
		t.Errorf("the second run asked for %d changes", len(second.Requests))
	}
	for name, exportable := range map[string]string{"rbac": "true", "policy": "false", "import": "false"} {
		var found bool
		for _, one := range all[name] {
			for _, r := range one.Requests {
				if strings.HasSuffix(r.URL, "/create") || strings.HasSuffix(r.URL, "/import") {
					found = true
					if !strings.Contains(string(r.Body), `"exportable": `+exportable) {
						t.Errorf("%s: the key's policy: %s", name, r.Body)
					}
				}
			}
		}
		if !found {
			t.Errorf("%s: no certificate", name)
		}
	}
	names := all["rbac"][1].Requests[len(all["rbac"][1].Requests)-1]
	var body struct{ ServicePrincipalNames []string }
	if err := json.Unmarshal(names.Body, &body); err != nil || names.Method != "PATCH" ||
		!slices.Equal(body.ServicePrincipalNames, []string{"00000002-0000-0ff1-ce00-000000000000", "https://outlook.office365.com/", "https://mail.contoso.com"}) {
		t.Errorf("%s %s: %s", names.Method, names.URL, names.Body)
	}
}

// TestRecordedCertificate checks that exactly the public certificate of the vault is
// registered in Entra.
func TestRecordedCertificate(t *testing.T) {
	for name, all := range recordedRuns(t) {
		key := registered(t, all)
		if key.Type != "AsymmetricX509Cert" || key.Usage != "Verify" {
			t.Errorf("%s: the key is registered as %s to %s", name, key.Type, key.Usage)
		}
		der, err := base64.StdEncoding.DecodeString(key.Key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := x509.ParseCertificate(der); err != nil { // ParseCertificate also refuses trailing data
			t.Errorf("%s: the registered key is not a certificate: %v", name, err)
		}
		if got, want := fmt.Sprintf("%X", sha1.Sum(der)), thumbprint(all); got != want {
			t.Errorf("%s: the certificate %s was registered, the vault's is %s", name, got, want)
		}
	}
}

type credential struct{ Key, Type, Usage string }

// registered returns the key that was registered last. No request may contain a
// private key.
func registered(t *testing.T, all []recordedRun) (key credential) {
	t.Helper()
	for _, one := range all {
		for _, r := range one.Requests {
			if strings.Contains(string(r.Body), "PRIVATE KEY") {
				t.Errorf("%s %s holds a private key", r.Method, r.URL)
			}
			var body struct{ KeyCredentials []credential }
			if json.Unmarshal(r.Body, &body) == nil && len(body.KeyCredentials) > 0 {
				key = body.KeyCredentials[0]
			}
		}
	}
	return key
}

// thumbprint returns the last thumbprint in the vault's responses.
func thumbprint(all []recordedRun) (hex string) {
	for _, one := range all {
		for _, call := range one.Calls {
			if slices.Contains(call.Args, "x509ThumbprintHex") && call.Stdout != "" {
				hex = strings.TrimSpace(call.Stdout)
			}
		}
	}
	return hex
}
