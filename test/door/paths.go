package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lists are the word lists of dirb, because the ffuf package has none.
var lists = [...]string{"/usr/share/dirb/wordlists/common.txt", "/usr/share/dirb/wordlists/vulns/iis.txt"}

// The check "paths" requests many paths at the root and below the endpoint, with
// GET and POST. It returns an error if a request reaches Exchange.
func paths(ctx context.Context) error {
	tool, err := need(ctx, "ffuf", "ffuf")
	if err != nil {
		return err
	}
	if _, err := need(ctx, "dirb", "dirb"); err != nil {
		return err
	}
	s, err := newProduct(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	words, n, err := s.words()
	if err != nil {
		return err
	}
	base := "http://" + s.clients[0]
	found := filepath.Join(s.dir, "found.json")
	for _, url := range []string{base + "/FUZZ", base + "/EWS/FUZZ", base + "/EWS/Exchange.asmx/FUZZ", base + "/EWS/Exchange.asmx?FUZZ"} {
		for _, method := range []string{"GET", "POST"} {
			args := []string{"-s", "-mc", "all", "-fc", "404,405,400", "-t", "20", "-w", words, "-u", url, "-X", method, "-o", found, "-of", "json"}
			if method == "POST" {
				args = append(args, "-H", "Content-Type: text/xml", "-d", envelope)
			}
			out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("ffuf: %w: %.300s", err, out)
			}
			if hits := strings.Fields(string(bytes.TrimSpace(out))); len(hits) > 0 {
				fmt.Printf("   %s %s gets a response for %.200q\n", method, strings.TrimPrefix(url, base), hits)
			}
		}
	}
	fmt.Printf("   %d words, 8 times: Exchange was asked %d times\n", n, len(s.arrived()))
	if arrived := s.arrived(); len(arrived) > 0 {
		return fmt.Errorf("these reached Exchange: %.300q", arrived)
	}
	return nil
}

// words writes the words of all lists to one file, and returns its path and the
// number of words. It leaves out the two words that lead to the service
// description, because Exchange may serve these paths.
func (s *product) words() (path string, n int, err error) {
	var all []string
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return "", 0, fmt.Errorf("%w: %v", errMissing, err)
		}
		for word := range strings.FieldsSeq(string(text)) {
			if lower := strings.ToLower(word); lower != "wsdl" && lower != "services.wsdl" {
				all = append(all, word)
			}
		}
	}
	if len(all) < 4000 {
		return "", 0, errors.New("the lists are too short to be dirb's")
	}
	path = filepath.Join(s.dir, "words")
	return path, len(all), os.WriteFile(path, []byte(strings.Join(all, "\n")), 0o600)
}
