package app

import (
	"time"

	"hmaproxy/internal/groups"
	"hmaproxy/internal/health"
	"hmaproxy/internal/statuspage"
)

const groupsVariable = "HMA_ALLOWED_GROUPS"

// newGroups returns the keeper of the groups' members, nil without groups.
func (a *app) newGroups() (*groups.Keeper, error) {
	c := a.options.Config
	if c.AllowedGroups == nil {
		return nil, nil
	}
	exchange, err := a.clients.Exchange()
	if err != nil {
		return nil, err
	}
	addresses := make([]string, len(c.AllowedGroups))
	for i, group := range c.AllowedGroups {
		addresses[i] = string(group)
	}
	expander := &groups.Expander{EWS: c.EWS.URL, Transport: exchange, Tokens: a.keeper, As: string(c.AllowedGroupsAs)}
	return groups.New(groups.Config{
		Groups: addresses, Expand: expander.Expand, Apply: a.files.list.SetMembers, Log: a.log,
	}), nil
}

// groupsOnPage describes the groups for the status page, nil without groups.
func (a *app) groupsOnPage() *statuspage.Groups {
	if a.groups == nil {
		return nil
	}
	s := a.groups.Status()
	return &statuspage.Groups{Names: s.Groups, Members: s.Members, At: s.At, Err: s.Err}
}

// allowList describes the allow-list in force, with its groups.
func (a *app) allowList() statuspage.AllowList {
	l := a.files.allowList()
	l.Groups = a.groupsOnPage()
	return l
}

// groupsHealth adds the state of the groups to s.
func (a *app) groupsHealth(s *health.State) {
	if a.groups == nil {
		return
	}
	status := a.groups.Status()
	waiting := a.groups.Waiting(time.Now())
	if waiting && s.NotReady == nil {
		s.NotReady = &health.NotReady{Cause: health.GroupsNotExpanded, Err: status.Err}
	}
	if status.Err != nil {
		s.Alarms = append(s.Alarms, health.Alarm{Kind: health.GroupsAlarm, Err: status.Err})
	}
}
