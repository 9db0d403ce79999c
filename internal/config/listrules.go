package config

import (
	"hmaproxy/proxy/policy"
)

// checkList refuses settings that have no effect without an allow-list, and a default
// mailbox that the allow-list does not allow. It also refuses HMA_ALLOW_LIST_IDS=strict
// if other settings mean that the allow-list checks no ids.
func checkList(r *rules) {
	checkGroups(r)
	if !r.problems.none("HMA_ALLOWED_MAILBOXES", "HMA_ALLOWED_MAILBOXES_FILE", "HMA_CLIENT_USERS_FILE", "HMA_ALLOWED_GROUPS") {
		return
	}
	if r.config.Allowed() == nil {
		for _, name := range []string{"HMA_ALLOW_LIST_MODE", "HMA_ALLOW_LIST_SCOPE", "HMA_ALLOW_LIST_ADDRESSES", "HMA_ALLOW_LIST_IDS", "HMA_ALLOWED_OPERATIONS"} {
			if r.given.set[name] {
				r.problems.fault(name, "needs an allow-list"+everyHint(r)+"; set HMA_ALLOWED_MAILBOXES or HMA_ALLOWED_MAILBOXES_FILE"+patternsRemedy(r)+", or remove it")
			}
		}
		return
	}
	if c := r.config; c.ListIDs == StrictIDs && r.problems.none("HMA_ALLOW_LIST_SCOPE") {
		if _, err := policy.New(policy.Config{Allowed: c.Allowed(), Targets: c.ListScope == Targets, StrictIDs: true}); err != nil {
			r.problems.fault("HMA_ALLOW_LIST_IDS", "is strict, which needs HMA_ALLOW_LIST_SCOPE=targets and an entry of the allow-list that begins with guid:")
		}
	}
	if r.given.set["HMA_DEFAULT_MAILBOX"] && r.problems.none("HMA_DEFAULT_MAILBOX") && !r.given.set["HMA_ALLOWED_GROUPS"] && !listed(r.config) {
		r.problems.fault("HMA_DEFAULT_MAILBOX", "is not on the allow-list; expected a mailbox that it allows")
	}
}

// checkGroups checks the settings about groups. If groups are set without
// HMA_ALLOWED_GROUPS_AS, it sets AllowedGroupsAs to the default mailbox.
func checkGroups(r *rules) {
	c := r.config
	if !r.given.set["HMA_ALLOWED_GROUPS"] {
		if r.given.set["HMA_ALLOWED_GROUPS_AS"] {
			r.problems.fault("HMA_ALLOWED_GROUPS_AS", "needs HMA_ALLOWED_GROUPS; set that, or remove it")
		}
		return
	}
	if r.given.every {
		r.problems.fault("HMA_ALLOWED_GROUPS", "cannot narrow HMA_ALLOWED_MAILBOXES=*, which allows every mailbox; remove one of the two")
	}
	if !r.given.set["HMA_ALLOWED_GROUPS_AS"] {
		c.AllowedGroupsAs = c.DefaultMailbox
	}
	if r.problems.none("HMA_ALLOWED_GROUPS_AS", "HMA_DEFAULT_MAILBOX") && c.AllowedGroupsAs == "" {
		r.problems.fault("HMA_ALLOWED_GROUPS", "needs a mailbox to act as; set HMA_ALLOWED_GROUPS_AS or HMA_DEFAULT_MAILBOX")
	}
}

// everyHint returns a clause for errors that ask for an allow-list. It is ""
// unless HMA_ALLOWED_MAILBOXES is "*", which users may take for an allow-list.
func everyHint(r *rules) string {
	if r.given.every {
		return ", which HMA_ALLOWED_MAILBOXES=* is not"
	}
	return ""
}

// patternsRemedy suggests mailbox patterns for client users. It returns ""
// without client users.
func patternsRemedy(r *rules) string {
	if r.config.ClientUsers == nil {
		return ""
	}
	return ", or give every user in HMA_CLIENT_USERS_FILE mailbox patterns"
}

// listed reports whether the allow-list allows the default mailbox. The
// decision is made by package policy, as for requests.
func listed(c *Config) bool {
	list, err := policy.New(policy.Config{Allowed: c.Allowed()})
	return err == nil && list.Allows(string(c.DefaultMailbox))
}
