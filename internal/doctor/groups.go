package doctor

import (
	"context"
	"strconv"
	"strings"

	"hmaproxy/internal/groups"
	"hmaproxy/proxy/policy"
)

// A groupFacts holds what Exchange reports about a group in HMA_ALLOWED_GROUPS.
type groupFacts struct {
	address string
	members groups.Members
	err     error
}

// A fixedToken is the token that was obtained for all checks.
type fixedToken string

func (t fixedToken) Token(context.Context) (string, error) { return string(t), nil }

// gatherGroups expands each group with the code that the product uses.
func gatherGroups(ctx context.Context, s *session, f *facts) {
	transport, err := s.clients.Exchange()
	e := groups.Expander{EWS: f.config.EWS.URL, Transport: transport, Tokens: fixedToken(f.token.grant().Token), As: string(f.config.AllowedGroupsAs)}
	for _, group := range f.config.AllowedGroups {
		g := groupFacts{address: string(group), err: err}
		if err == nil {
			g.members, g.err = e.Expand(ctx, []string{g.address})
		}
		f.ews.groups = append(f.ews.groups, g)
	}
}

// evaluateGroups reports the number of members of each group, or the first group
// that could not be expanded.
func evaluateGroups(f *facts) Result {
	var counts []string
	for _, g := range f.ews.groups {
		if g.err != nil {
			return f.fail(g.err.Error(), "the mailboxes of this group are not on the allow-list after a start; the groups of a running hmaproxy keep their previous members",
				"on Exchange: Get-DistributionGroup "+g.address+" | fl PrimarySmtpAddress,HiddenFromAddressListsEnabled,RecipientTypeDetails",
				"act as a mailbox that sees the group in its address book: HMA_ALLOWED_GROUPS_AS")
		}
		counts = append(counts, g.address+": "+plural(len(g.members.Mailboxes), "mailbox", "mailboxes")+
			" ("+plural(g.members.Nested, "nested group", "nested groups")+", "+strconv.Itoa(g.members.Skipped)+" skipped)")
	}
	return ok(strings.Join(counts, "; "),
		"Exchange does not report here who may change these groups; check that users cannot add themselves: Get-DistributionGroup | fl MemberJoinRestriction,ManagedBy")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// groupMembers returns the members of all groups as entries of an allow-list.
func (f *facts) groupMembers() []policy.Pattern {
	var all []policy.Pattern
	for _, g := range f.ews.groups {
		if len(g.members.Mailboxes) == 0 {
			continue
		}
		if patterns, err := policy.ParsePatterns(strings.Join(g.members.Mailboxes, "\n")); err == nil {
			all = append(all, patterns...)
		}
	}
	return all
}
