package release

import (
	"fmt"
	"regexp"
	"strings"
)

// unitChanges are the lines in which the unit of deb and rpm packages differs
// from deploy/systemd/hmaproxy.service, which an administrator installs by
// hand. A package creates a user that may read the file of settings, including
// the secret in it.
var unitChanges = []struct{ from, to string }{
	{"ExecStart=/usr/local/bin/hmaproxy ", "ExecStart=/usr/bin/hmaproxy "},
	{"# The secret's file stays root's own; the service gets a copy that no other user\n# can read.\n", ""},
	{"LoadCredential=client-secret:/etc/hmaproxy/client-secret\n", ""},
	{"Environment=HMA_KEY_VAULT_CLIENT_SECRET_FILE=%d/client-secret\n\n", ""},
	{"DynamicUser=yes\n", "User=hmaproxy\nGroup=hmaproxy\n"},
}

// PackageUnit returns the unit of deb and rpm packages, which is derived from
// deploy/systemd.
func PackageUnit(unit string) (string, error) {
	for _, change := range unitChanges {
		if strings.Count(unit, change.from) != 1 {
			return "", fmt.Errorf("the unit does not hold %q once", change.from)
		}
		unit = strings.Replace(unit, change.from, change.to, 1)
	}
	return unit, nil
}

// settingsPath is the path at which packages install the file of settings.
const settingsPath = "/etc/hmaproxy/hmaproxy.env"

var exampleSetting = regexp.MustCompile(`(?m)^HMA_`)

// PackageSettings returns the file of settings that packages install. example is
// the content of deploy/hmaproxy.env.example. The result sets nothing, so that a
// service that was not configured ends immediately, with an error that names the
// missing settings.
func PackageSettings(example string) string {
	return "# " + settingsPath + ": settings of the service hmaproxy. Nothing is set yet:\n" +
		"# sudo hmaproxy init -o " + settingsPath + " asks for the values, or remove the # below.\n\n" +
		exampleSetting.ReplaceAllString(example, "#HMA_")
}
