package token

import (
	"errors"
	"strings"
	"testing"
)

func TestOneLine(t *testing.T) {
	if got, want := oneLine(errors.New(" a\r\n\tb "+strings.Repeat("é", 300))), "a b "+strings.Repeat("é", 248)+"…"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
