package doctor

import "strings"

// Clouds by the host of their sign-in service, old names included. A host that
// is not listed belongs to a cloud that is not known here, which is no fault.
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

// authorities are the values for HMA_AUTHORITY_HOST.
var authorities = map[string]string{
	"public":        "login.microsoftonline.com",
	"US Government": "login.microsoftonline.us",
	"China":         "login.partner.microsoftonline.cn",
	"Bleu":          "login.sovcloud-identity.fr",
	"Delos":         "login.sovcloud-identity.de",
}

const authorityList = "https://login.microsoftonline.com (public), https://login.microsoftonline.us (US Government), https://login.partner.microsoftonline.cn (China)"

func cloudOf(host string) string { return clouds[strings.ToLower(host)] }
