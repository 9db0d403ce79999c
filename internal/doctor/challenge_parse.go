package doctor

import (
	"net/http"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/printable"
)

var parameter = lazyregexp.New(`([A-Za-z_]+)="([^"]*)"`)

// bearerChallenge returns the parameters of the first Bearer challenge, or nil
// if there is no such challenge. The keys are in lower case. Only quoted values
// are read, because Exchange and Key Vault quote every value.
func bearerChallenge(h http.Header) map[string]string {
	for _, value := range h.Values("Www-Authenticate") {
		at := strings.Index(strings.ToLower(value), "bearer")
		if at < 0 || at > 0 && !strings.HasSuffix(strings.TrimRight(value[:at], " "), ",") {
			continue
		}
		found := map[string]string{}
		for _, m := range parameter().FindAllStringSubmatch(value[at:], -1) {
			if _, twice := found[strings.ToLower(m[1])]; !twice {
				found[strings.ToLower(m[1])] = m[2]
			}
		}
		return found
	}
	return nil
}

// schemes lists the first authentication scheme in each WWW-Authenticate
// header, or returns "nothing" if there is no such header.
func schemes(h http.Header) string {
	var all []string
	for _, value := range h.Values("Www-Authenticate") {
		name, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		all = append(all, printable.Short(strings.TrimSuffix(name, ","), 20))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
