package proxy

import "strings"

// Settings are the calling program's names for its settings, such as
// "HMA_TENANT_ID". Messages contain them. If a name is empty, messages describe
// the setting in words.
type Settings struct {
	EWSURL         string // the EWS URL
	Resource       string // the resource id: the audience of the access token
	Tenant         string // the tenant id
	App            string // the id of the application whose token is sent
	Authority      string // the host of the authority that issues tokens
	HostNames      string // Config.HostNames
	Autodiscover   string // Config.Autodiscover
	CorporateProxy string // the corporate proxy for Exchange
	LogLevel       string // the level of the log
}

// expand replaces placeholders such as {tenant} by the names of the settings.
func (s *Settings) expand(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return strings.NewReplacer(
		"{ews-url}", name(s.EWSURL, "the EWS URL"),
		"{resource}", name(s.Resource, "the resource id"),
		"{tenant}", name(s.Tenant, "the tenant id"),
		"{app}", name(s.App, "the application id"),
		"{authority}", name(s.Authority, "the authority host"),
		"{host-names}", name(s.HostNames, "the configuration of this proxy"),
		"{autodiscover}", name(s.Autodiscover, "the setting for it"),
		"{corporate-proxy}", name(s.CorporateProxy, "the setting for that proxy"),
		"{log-level-debug}", name(suffixed(s.LogLevel, "=debug"), "log level debug"),
	).Replace(text)
}

func suffixed(s, suffix string) string {
	if s == "" {
		return ""
	}
	return s + suffix
}

func name(given, words string) string {
	if given == "" {
		return words
	}
	return given
}
