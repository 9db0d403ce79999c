package config

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// A variable describes one field of Config. Its values come from the field's
// struct tags.
type variable struct {
	name     string // "HMA_EWS_URL"
	field    string // "EWS"
	index    int    // index of the field in Config
	section  string // title of the section of the documentation that begins here, or ""
	required bool
	fallback string // default value, "" if there is no default value
	absent   string // text about the effect of leaving the variable unset, for a variable without fallback
	form     string
	desc     string
	min      time.Duration
	bounded  bool // whether min applies
	secret   bool
}

// remedyForEmpty says what to do about a variable that is set but empty.
func (v variable) remedyForEmpty() string {
	if v.required {
		return "expected " + v.form
	}
	return "expected " + v.form + ", or the variable removed"
}

// problem returns a fault that does not depend on the variable's type: the
// value is empty, or it is in quotes and the variable is not secret. problem
// returns "" if the value has no such fault.
func (v variable) problem(value string) string {
	switch {
	case value == "":
		return "is set but empty; " + v.remedyForEmpty()
	case quoted(value) && !v.secret:
		return "is in quotes, which are part of the value here; expected it without them"
	}
	return ""
}

// The function "variables" returns the variables in the order of the fields of
// Config. The caller must not change them.
var variables = sync.OnceValue(func() []variable {
	t := reflect.TypeFor[Config]()
	var all []variable
	for i := range t.NumField() {
		if v, ok := variableOf(t.Field(i)); ok {
			v.index = i
			all = append(all, v)
		}
	}
	return all
})

// variableNamed returns the variable with the given name, or the zero value if
// there is no such variable.
func variableNamed(name string) variable {
	for _, v := range variables() {
		if v.name == name {
			return v
		}
	}
	return variable{}
}

func variableOf(field reflect.StructField) (variable, bool) {
	name, option, _ := strings.Cut(field.Tag.Get("env"), ",")
	if name == "" || name == "-" {
		return variable{}, false
	}
	tag := field.Tag.Get
	v := variable{
		name:     name,
		field:    field.Name,
		section:  tag("section"),
		required: option == "required",
		fallback: tag("envDefault"),
		absent:   tag("absent"),
		form:     tag("form"),
		desc:     tag("desc"),
		secret:   field.Type == reflect.TypeFor[Secret](),
	}
	if min := tag("min"); min != "" {
		v.min, _ = time.ParseDuration(min) // cannot fail: a test parses the min tag of every field
		v.bounded = true
	}
	return v, true
}
