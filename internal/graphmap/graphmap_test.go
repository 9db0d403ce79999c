package graphmap

import (
	"regexp"
	"slices"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// TestOperationsAreThoseOfTheSchema checks that package policy knows each
// operation of the list under the same name, so a misspelt operation fails.
func TestOperationsAreThoseOfTheSchema(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(policy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name := range m.Operations {
		n++
		request := &ews.Request{Operation: name}
		if name == string(ews.PushSubscription) {
			request = &ews.Request{Operation: "Subscribe", Push: true}
		}
		if d, _ := p.Decide(request, ""); string(d.Operation) != name {
			t.Errorf("%s is known as %s", name, d.Operation)
		}
	}
	if n < 35 {
		t.Errorf("only %d operations", n)
	}
}

// TestListIsMicrosofts compares some entries with Microsoft's page. The expected
// values were copied from that page by hand.
func TestListIsMicrosofts(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"ConvertId":           {"https://learn.microsoft.com/graph/api/user-translateexchangeids"},
		"SendItem":            {"https://learn.microsoft.com/graph/api/message-send", "https://learn.microsoft.com/graph/api/user-sendmail"},
		"UpdateInboxRules":    {"https://learn.microsoft.com/graph/api/mailfolder-post-messagerules", "https://learn.microsoft.com/graph/api/messagerule-update", "https://learn.microsoft.com/graph/api/messagerule-delete"},
		"GetUserAvailability": {"https://learn.microsoft.com/graph/api/calendar-getschedule"},
		"Subscribe:Push":      {"https://learn.microsoft.com/graph/api/subscription-post-subscriptions"},
		"FindFolder":          nil, // Microsoft's page does not name this operation and the next two
		"GetStreamingEvents":  nil,
		"ExpandDL":            nil,
	} {
		var pages []string
		for _, api := range m.APIs(name) {
			pages = append(pages, api.Page)
		}
		if !slices.Equal(pages, want) {
			t.Errorf("%s: %q, want %q", name, pages, want)
		}
	}
	if s := m.Source; s.Commit != "723d1f2c90d583d82689c07d85044fa76a42dfb7" || !regexp.MustCompile(`^\d{4}-\d\d-\d\d$`).MatchString(s.Read) {
		t.Errorf("source %+v", s)
	}
}

func TestFaultyListsAreRefused(t *testing.T) {
	const source = "# url\thttps://example.com\n# read\t2026-11-27\n"
	for name, text := range map[string]string{
		"empty":         "",
		"no operations": source,
		"no source":     "GetItem\tGet message\tmessage-get\t\n",
		"three columns": source + "GetItem\tGet message\tmessage-get\n",
		"no page":       source + "GetItem\tGet message\t\t\n",
	} {
		if m, err := parse(text); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, err := parse(source + "GetItem\tGet message\tmessage-get\t\n"); err != nil {
		t.Error(err)
	}
}
