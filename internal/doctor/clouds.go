package doctor

import (
	"strings"

	"hmaproxy/internal/config"
)

// clouds maps hosts of sign-in services to their cloud. It includes former host
// names. A host that is not listed may belong to another cloud and is not
// reported as a mistake.
var clouds = map[string]string{
	"login.microsoftonline.com":        "public",
	"login.windows.net":                "public",
	"login.microsoft.com":              "public",
	"sts.windows.net":                  "public",
	"login.microsoftonline.us":         "US Government",
	"login.usgovcloudapi.net":          "US Government",
	"login.partner.microsoftonline.cn": "China",
	"login.chinacloudapi.cn":           "China",
	"login.sovcloud-identity.fr":       "Bleu",
	"login.sovcloud-identity.de":       "Delos",
}

// authorities are the host names for HMA_AUTHORITY_HOST, by cloud.
var authorities = map[string]string{
	"public":        "login.microsoftonline.com",
	"US Government": "login.microsoftonline.us",
	"China":         "login.partner.microsoftonline.cn",
	"Bleu":          "login.sovcloud-identity.fr",
	"Delos":         "login.sovcloud-identity.de",
}

const authorityList = "https://login.microsoftonline.com (public), https://login.microsoftonline.us (US Government), https://login.partner.microsoftonline.cn (China)"

func cloudOf(host string) string { return clouds[strings.ToLower(host)] }

// vaultClouds maps the domains of vaults to their cloud.
var vaultClouds = map[string]string{
	"vault.azure.net":         "public",
	"vault.azure.cn":          "China",
	"vault.usgovcloudapi.net": "US Government",
}

// oddVaultName returns text about an unusual vault name, which callers append
// to another cause. It returns "" for a usual name.
func oddVaultName(c *config.Config) string {
	name, domain, _ := strings.Cut(c.VaultURI.Hostname(), ".")
	theirs, ours := vaultClouds[domain], cloudOf(c.Authority.Hostname())
	switch {
	case theirs != "" && ours != "" && theirs != ours:
		return "; " + domain + " is the " + theirs + " cloud's, and HMA_AUTHORITY_HOST the " + ours + " one's"
	case strings.HasPrefix(domain, "privatelink."):
		return "; also behind a private endpoint the name is " + name + ".vault.azure.net, without privatelink"
	case strings.HasPrefix(domain, "managedhsm."):
		return "; a Managed HSM (" + domain + ") holds no certificates: a vault's name ends in vault.azure.net"
	case domain == "", theirs == "" && ours == "public" && microsoft(c.VaultURI.URL):
		return "; a vault's name ends in vault.azure.net"
	}
	return ""
}
