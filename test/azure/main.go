// Command azure records how the real az responds to the command lines of
// deploy/azure/setup.sh. setup_test.go compares its double of az with the
// recordings.
//
//	go run ./test/azure [-n] [SCENARIO...]
//
// The command needs the Azure CLI and openssl, but no account and no network:
// HTTPS_PROXY makes az connect to an emulated cloud in this program. So the
// recordings show how az behaves: which arguments it accepts, the results of its
// queries, and its exit codes. The responses of the cloud itself come from
// services.go. The recordings go to deploy/azure/testdata/recorded. With -n they
// are not written. The exit status is 1 if setup.sh failed or if az sent a
// request that the cloud does not know, and 3 if az is not installed.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if filepath.Base(os.Args[0]) == "az" {
		os.Exit(passOn(os.Args[1:]))
	}
	dry := flag.Bool("n", false, "write no recordings")
	flag.Parse()
	switch err := run(*dry, flag.Args()); {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Fprintln(os.Stderr, "NOT CHECKED:", err)
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A scenario is a series of runs of setup.sh in one tenant. In the arguments,
// IMPORT is replaced by the path of a PFX file, and ENV by the path of the
// scenario's env file. KVID is replaced by the id of KV-App, which the first run
// prints.
type scenario struct {
	name string
	runs [][]string
}

func scenarios() []scenario {
	basic := []string{"-e", "https://mail.contoso.com/EWS/Exchange.asmx", "-v", "contoso", "-g", "mail", "-l", "westeurope"}
	with := func(more ...string) []string { return append(append([]string{}, basic...), more...) }
	return []scenario{
		{"rbac", [][]string{with("-n"), with("-o", "ENV"), with("-o", "ENV"), with("-s", "-o", "ENV"), {"-x", "-t", tenantID, "-e", basic[1]}, {"--drop-role", "-v", "contoso"}}},
		{"policy", [][]string{with("-p", "policy", "-k", "vault"), with("-k", "vault", "--kv-app-id", "KVID")}},
		{"import", [][]string{with("-k", "vault", "-i", "IMPORT"), with("-k", "vault", "--kv-app-id", "KVID")}},
	}
}

// A call is one call of az.
type call struct {
	Args   []string `json:"args"`
	Stdout string   `json:"stdout"`
	Stderr string   `json:"stderr"`
	Code   int      `json:"code"`
}

// A recordedRun is one run of setup.sh.
type recordedRun struct {
	Args     []string `json:"args"`
	Calls    []call   `json:"calls"`
	Requests []sent   `json:"requests"`
}

// passOn runs in place of az. It calls the real az and records the call.
func passOn(args []string) int {
	var out, errs bytes.Buffer
	az := strings.Fields(os.Getenv("RECORD_AZ"))
	cmd := exec.Command(az[0], append(az[1:], args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, &out, &errs
	cmd.Run()
	os.Stdout.Write(out.Bytes())
	os.Stderr.Write(errs.Bytes())
	line, _ := json.Marshal(call{args, out.String(), errs.String(), cmd.ProcessState.ExitCode()})
	f, err := os.OpenFile(os.Getenv("RECORD_TO"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	defer f.Close()
	f.Write(append(line, '\n'))
	return cmd.ProcessState.ExitCode()
}

// A recorder runs setup.sh and records the calls of az.
type recorder struct {
	dir   string
	cloud *cloud
	env   []string
	dry   bool
}

// run records the named scenarios, or all scenarios if names is empty.
func run(dry bool, names []string) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.dry = dry
	if out, err := s.command("az", "login", "--service-principal", "-u", operator, "-p", "secret", "--tenant", tenantID).CombinedOutput(); err != nil {
		return fmt.Errorf("az login: %v\n%s%s", err, out, strings.Join(s.cloud.unknown, "\n"))
	}
	pfx := `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=own -keyout k -out c 2>&1 && openssl pkcs12 -export -inkey k -in c -passout pass:secret -out own.pfx`
	if out, err := s.command("sh", "-c", pfx).CombinedOutput(); err != nil {
		return fmt.Errorf("openssl: %v\n%s", err, out)
	}
	for _, one := range scenarios() {
		if len(names) > 0 && !slices.Contains(names, one.name) {
			continue
		}
		if err = s.record(one); err != nil {
			break
		}
	}
	for _, u := range s.cloud.unknown {
		err = errors.Join(err, fmt.Errorf("the cloud does not know: %s", u))
	}
	return err
}

// open starts the cloud and puts this program on PATH under the name az.
func open() (*recorder, error) {
	az, err := exec.LookPath("az")
	if err != nil {
		return nil, fmt.Errorf("the Azure CLI is needed (Debian: apt-get install azure-cli): %w", err)
	}
	if _, err := os.Stat("/usr/lib/python3/dist-packages/azure/cli"); err == nil && az == "/usr/bin/az" {
		mended, err := filepath.Abs("test/azure/debian.py")
		if err != nil {
			return nil, err
		}
		az = "/usr/bin/python3 " + mended
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &recorder{}
	if s.dir, err = os.MkdirTemp("", "azure"); err != nil {
		return nil, err
	}
	if s.cloud, err = newCloud(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go s.cloud.connect(l)
	bin := filepath.Join(s.dir, "bin")
	s.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "RECORD_AZ="+az, "RECORD_TO="+filepath.Join(s.dir, "calls"),
		"AZURE_CONFIG_DIR="+filepath.Join(s.dir, "config"), "HTTPS_PROXY=http://"+l.Addr().String(), "NO_PROXY=", "REQUESTS_CA_BUNDLE="+filepath.Join(s.dir, "ca.pem"),
		"AZURE_CORE_COLLECT_TELEMETRY=false", "AZURE_CORE_NO_COLOR=true", "CERT_PASSWORD=secret")
	return s, errors.Join(os.Mkdir(bin, 0o700), os.Symlink(self, filepath.Join(bin, "az")),
		os.WriteFile(filepath.Join(bin, "sleep"), []byte("#!/bin/sh\n"), 0o700),
		os.WriteFile(filepath.Join(s.dir, "ca.pem"), s.cloud.authority(), 0o600))
}

func (s *recorder) command(name string, args ...string) *exec.Cmd {
	if name == "az" {
		name = filepath.Join(s.dir, "bin", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	return cmd
}

// printedID matches the line with the id of KV-App in the settings that
// setup.sh prints.
var printedID = regexp.MustCompile(`(?m)^HMA_KEY_VAULT_APP_ID=(\S+)$`)

// scratch matches the temporary files of setup.sh.
var scratch = regexp.MustCompile(`/tmp/tmp\.\w+`)

// record runs a scenario. It writes a recordedRun for each run of setup.sh, unless
// s.dry is true.
func (s *recorder) record(one scenario) error {
	s.cloud.reset()
	var all []recordedRun
	kvID := ""
	for _, args := range one.runs {
		os.Remove(filepath.Join(s.dir, "calls"))
		named := args
		words := strings.NewReplacer("IMPORT", filepath.Join(s.dir, "own.pfx"), "ENV", filepath.Join(s.dir, one.name+".env"), "KVID", kvID)
		args = strings.Split(words.Replace(strings.Join(args, "\x00")), "\x00")
		script, err := filepath.Abs("deploy/azure/setup.sh")
		if err != nil {
			return err
		}
		out, err := s.command("bash", append([]string{script}, args...)...).CombinedOutput()
		fmt.Printf("== %s: setup.sh %s\n%s", one.name, strings.Join(args, " "), out)
		if err != nil {
			return fmt.Errorf("%s: setup.sh %s: %w", one.name, strings.Join(args, " "), err)
		}
		if m := printedID.FindSubmatch(out); m != nil {
			kvID = string(m[1])
		}
		calls, err := s.calls()
		if err != nil {
			return err
		}
		all = append(all, recordedRun{Args: named, Calls: calls, Requests: s.cloud.sent()})
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil || s.dry {
		return err
	}
	text = scratch.ReplaceAll(bytes.ReplaceAll(text, []byte(s.dir), []byte("DIR")), []byte("TMP"))
	return os.WriteFile(filepath.Join("deploy/azure/testdata/recorded", one.name+".json"), append(text, '\n'), 0o644)
}

func (s *recorder) calls() (all []call, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "calls"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var c call
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
