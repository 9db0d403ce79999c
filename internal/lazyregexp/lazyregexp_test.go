package lazyregexp

import "testing"

func TestNew(t *testing.T) {
	letters := New(`^[a-z]+$`)
	if !letters().MatchString("abc") || letters().MatchString("a1") {
		t.Error("the expression does not match as written")
	}
	if first, second := letters(), letters(); first != second {
		t.Error("the expression is compiled again")
	}
}

func TestInvalidExpression(t *testing.T) {
	invalid := New(`(`) // must not panic yet
	defer func() {
		if recover() == nil {
			t.Error("an invalid expression does not panic")
		}
	}()
	invalid()
}
