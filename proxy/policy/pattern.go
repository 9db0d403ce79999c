package policy

// A Pattern is one entry of an allow-list. ParsePatterns makes them; the zero
// Pattern matches nothing.
type Pattern struct {
	form  form
	value string // as written, without the prefix; for a wildcard the domain
}

// A form is the name space that a pattern speaks of.
type form uint8

const (
	noForm       form = iota
	smtpForm          // alice@contoso.com
	wildcardForm      // *@contoso.com
	upnForm           // upn:alice@contoso.com
	sidForm           // sid:S-1-5-21-…
)

// String returns the pattern in the form that ParsePatterns reads.
func (p Pattern) String() string {
	return [...]string{"", "", "*@", "upn:", "sid:"}[p.form] + p.value
}
