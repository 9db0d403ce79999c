// Command archive writes files to a folder: those that a release's archive
// contains in addition to the program. scripts/release.sh runs it in the
// repository.
//
//	go run ./scripts/archive -version v1.2.3 -repository owner/name FOLDER
//	go run ./scripts/archive -package FOLDER             # unit and settings of deb and rpm
//	go run ./scripts/archive -fill FILE < template       # a manifest with its placeholders filled in
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hmaproxy/internal/release"
)

func main() {
	var origin release.Origin
	flag.StringVar(&origin.Version, "version", "", "`tag` of the release")
	flag.StringVar(&origin.Repository, "repository", "", "`owner/name` on GitHub; without it documents keep the placeholder OWNER")
	packages := flag.Bool("package", false, "write the files that only packages have")
	fill := flag.Bool("fill", false, "write standard input with its placeholders filled in")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	write := writeFiles
	switch {
	case *packages:
		write = writePackageFiles
	case *fill:
		write = writeFilled
	}
	if err := write(origin, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func writeFiles(origin release.Origin, folder string) error {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	files, err := origin.Files(os.DirFS("."), strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
	if err != nil {
		return err
	}
	for name, data := range files {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

func writePackageFiles(_ release.Origin, folder string) error {
	unit, err := os.ReadFile("deploy/systemd/hmaproxy.service")
	if err != nil {
		return err
	}
	example, err := os.ReadFile("deploy/hmaproxy.env.example")
	if err != nil {
		return err
	}
	ofPackage, err := release.PackageUnit(string(unit))
	return errors.Join(err,
		os.WriteFile(filepath.Join(folder, "hmaproxy.service"), []byte(ofPackage), 0o644),
		os.WriteFile(filepath.Join(folder, "hmaproxy.env"), []byte(release.PackageSettings(string(example))), 0o640))
}

func writeFilled(origin release.Origin, file string) error {
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	return os.WriteFile(file, origin.Fill(data), 0o644)
}
