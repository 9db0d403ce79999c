package token

import (
	"strings"
	"testing"
)

func TestExplainTable(t *testing.T) {
	seen := map[int]bool{}
	for _, row := range explanations {
		if row.meaning == "" || row.remedy == "" || row.class == "" {
			t.Errorf("%v: incomplete row", row.codes)
		}
		if strings.ContainsAny(row.meaning+row.remedy, "\n\r\t") {
			t.Errorf("%v: more than one line", row.codes)
		}
		for _, code := range row.codes {
			if seen[code] {
				t.Errorf("%d: twice in the table", code)
			}
			seen[code] = true
		}
	}
}

// TestExplainKnowsEveryCode checks the class of each known code. The codes and
// their classes come from Microsoft's published list of error codes. The codes of
// class Certificate are those that make Microsoft.Identity.Web reload the
// certificate.
func TestExplainKnowsEveryCode(t *testing.T) {
	want := map[Class][]int{
		Certificate: {700027, 700024, 7000214, 1000502},
		Transient:   {90055, 50033, 90006, 90033, 90090, 50196},
		Configuration: {500011, 50001, 650057, 65005, 650056, 700016, 7000112, 70001, 700030, 50012,
			7000215, 7000222, 7000218, 700025, 70011, 28002, 700022, 700023, 90002, 50059, 50128,
			9001023, 90038, 900382, 900432, 53003, 530032, 50034, 501051, 65001, 1002012, 700211, 700212, 700213, 70021, 50013},
	}
	n := 0
	for class, codes := range want {
		for _, code := range codes {
			n++
			if _, _, ok := Explain(code); !ok || classOf(code) != class {
				t.Errorf("%d: known %v, class %q, want %q", code, ok, classOf(code), class)
			}
		}
	}
	for _, row := range explanations {
		n -= len(row.codes)
	}
	if n != 0 {
		t.Errorf("the table and this test differ by %d codes", n)
	}
	if _, _, ok := Explain(1); ok || classOf(1) != "" {
		t.Error("1 is not an AADSTS code")
	}
}

// TestExplainRemedies checks that the remedies for some important codes contain
// the necessary identifiers and words.
func TestExplainRemedies(t *testing.T) {
	for code, want := range map[int]string{
		500011: "00000002-0000-0ff1-ce00-000000000000",
		650057: "full_access_as_app",
		700027: "upload the public half",
		700024: "clock",
		70011:  "/.default",
		700016: "application id",
		53003:  "exclude the service principal",
		900382: "login.microsoftonline.us",
	} {
		if _, remedy, _ := Explain(code); !strings.Contains(remedy, want) {
			t.Errorf("%d: %q lacks %q", code, remedy, want)
		}
	}
}
