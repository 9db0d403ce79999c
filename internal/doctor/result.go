package doctor

// A Status says how a check ended.
type Status string

const (
	OK      Status = "ok"
	Warning Status = "warning" // the product works, and in a way that is rarely meant
	Failed  Status = "failed"
	Skipped Status = "skipped" // not run; Detail says why
)

// A Result is the outcome of one check.
type Result struct {
	Check    string   `json:"check"` // "vault-secret": stable, for programs
	Title    string   `json:"title"` // "Key Vault: permission"
	Status   Status   `json:"status"`
	Detail   string   `json:"detail"`             // what was observed, or why the check was not run
	Cause    string   `json:"cause,omitempty"`    // of a failure, the likely one; of a warning, why it is one
	Repair   []string `json:"repair,omitempty"`   // of a failure or warning: commands, settings or ways through the portal
	Warnings []string `json:"warnings,omitempty"` // what an operator should look at although it is no failure
	Notes    []string `json:"notes,omitempty"`    // what helps to understand the outcome

	carryOn bool   // failed, but checks that need this one can be made
	root    string // of a check that was not run: the failure that caused it
}

func ok(detail string, notes ...string) Result {
	return Result{Status: OK, Detail: detail, Notes: notes}
}

func skipped(because string) Result {
	return Result{Status: Skipped, Detail: because}
}

// stops reports whether checks that need this one cannot be made.
func (r Result) stops() bool { return r.Status == Failed && !r.carryOn }

// goingOn lets checks that need a failed one be made nevertheless.
func (r Result) goingOn() Result {
	r.carryOn = true
	return r
}

// Exit codes of the command.
const (
	exitOK            = 0
	exitFailed        = 1
	exitConfiguration = 78 // EX_CONFIG
)

// ExitCode returns the exit code of a process after these Results: 0 when no
// check failed, 78 when the configuration did, else 1. A check that was not made
// counts as failed, unless it is optional.
func ExitCode(all []Result) int {
	code := exitOK
	for _, r := range all {
		switch {
		case r.Status == Failed && r.Check == "configuration":
			return exitConfiguration
		case r.Status == Failed, r.Status == Warning, r.Status == Skipped && !optional(r.Check):
			code = exitFailed
		}
	}
	return code
}

// optional reports whether a check depends on the caller's flags, or on headers
// that services need not send.
func optional(id string) bool { return id == "mailbox" || id == "forbidden" || id == "clock" }
