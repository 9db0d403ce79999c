package token

// Explain says what an AADSTS code means for an app-only token and what to do
// about it; ok is false for a code that this package does not know.
func Explain(aadsts int) (meaning, remedy string, ok bool) { return "", "", false }
