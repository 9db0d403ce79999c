package app

import (
	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/groups"
	"hmaproxy/internal/httpclient"
	"hmaproxy/token"
)

const groupsVariable = "HMA_ALLOWED_GROUPS"

// newGroups returns the keeper of the members of HMA_ALLOWED_GROUPS. It returns
// nil if no groups are configured.
func newGroups(o Options, clients *httpclient.Clients, keeper *token.Keeper, list *allowlist.List) (*groups.Keeper, error) {
	c := o.Config
	if c.AllowedGroups == nil {
		return nil, nil
	}
	exchange, err := clients.Exchange()
	if err != nil {
		return nil, err
	}
	addresses := make([]string, len(c.AllowedGroups))
	for i, group := range c.AllowedGroups {
		addresses[i] = string(group)
	}
	expander := &groups.Expander{EWS: c.EWS.URL, Transport: exchange, Tokens: keeper, As: string(c.AllowedGroupsAs)}
	return groups.New(groups.Config{
		Groups: addresses, Expand: expander.Expand, Apply: list.SetMembers, Log: o.Log,
	}), nil
}
