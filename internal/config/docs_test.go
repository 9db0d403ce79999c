package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDocumentation(t *testing.T) { compare(t, "../../docs/configuration.md", Markdown()) }

func TestUsage(t *testing.T) {
	var b bytes.Buffer
	if err := Usage(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("wider than 100 columns: %q", line)
		}
	}
	for _, v := range variables() {
		if !strings.Contains(b.String(), "  "+v.name+"\n") {
			t.Errorf("%s is not listed", v.name)
		}
	}
}

// TestTags checks that every variable has the tags desc and form, that no name
// occurs twice, and that every min tag is a duration.
func TestTags(t *testing.T) {
	known := map[string]bool{}
	all := variables()
	for _, v := range all {
		if known[v.name] {
			t.Errorf("%s occurs twice", v.name)
		}
		known[v.name] = true
		if v.desc == "" || !strings.HasSuffix(v.desc, ".") || v.form == "" || strings.HasSuffix(v.form, ".") {
			t.Errorf("%s: desc %q, form %q", v.name, v.desc, v.form)
		}
	}
	if all[0].section == "" {
		t.Error("the first variable opens no section")
	}
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		tag := config.Field(i).Tag
		if min, ok := tag.Lookup("min"); ok {
			if _, err := time.ParseDuration(min); err != nil || config.Field(i).Type != reflect.TypeFor[time.Duration]() {
				t.Errorf("%s: min %q on %s", config.Field(i).Name, min, config.Field(i).Type)
			}
		}
	}
}
