package config

import "hmaproxy/proxy"

// ProxySettings returns the names of the settings that package proxy mentions in
// its messages.
func ProxySettings() proxy.Settings {
	return proxy.Settings{
		EWSURL:         "HMA_EWS_URL",
		Resource:       "HMA_RESOURCE_ID",
		Tenant:         "HMA_TENANT_ID",
		App:            "HMA_APP_ID",
		Authority:      "HMA_AUTHORITY_HOST",
		HostNames:      "HMA_HOST_NAMES",
		Autodiscover:   "HMA_AUTODISCOVER",
		CorporateProxy: "HTTPS_PROXY",
		LogLevel:       "HMA_LOG_LEVEL",
	}
}
