package doctor

// A Status is the outcome of a check.
type Status string

const (
	OK      Status = "ok"
	Warning Status = "warning" // the product works, but in a way that is rarely intended
	Failed  Status = "failed"
	Skipped Status = "skipped" // not run; Detail says why
)

// A Result is the outcome of one check.
type Result struct {
	Check    string   `json:"check"` // "vault-secret": stable, for programs
	Title    string   `json:"title"` // "Key Vault: permission"
	Status   Status   `json:"status"`
	Detail   string   `json:"detail"`             // the observation, or why the check was not run
	Cause    string   `json:"cause,omitempty"`    // the likely cause of a failure, or the reason of a warning
	Repair   []string `json:"repair,omitempty"`   // commands, settings or steps in the portal that repair a failure or warning
	Warnings []string `json:"warnings,omitempty"` // details for the operator to look at although the check did not fail
	Notes    []string `json:"notes,omitempty"`    // details that help to understand the outcome

	carryOn bool   // the checks that need this check run even if this check failed
	root    string // the failure that prevented this check
}

func ok(detail string, notes ...string) Result {
	return Result{Status: OK, Detail: detail, Notes: notes}
}

func skipped(because string) Result {
	return Result{Status: Skipped, Detail: because}
}

// stops reports whether checks that need this one cannot run.
func (r Result) stops() bool { return r.Status == Failed && !r.carryOn }

// goingOn returns a copy of r that does not stop the checks that need it.
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

// ExitCode returns the exit code of a process after these Results: 78 when the
// configuration check failed, 1 when another check failed or has the status
// Warning, else 0. A check that was not run counts as failed, unless it is
// optional.
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

// optional reports whether a check may be skipped without an effect on the exit
// code, because it depends on the caller's flags or on headers that services may
// leave out.
func optional(id string) bool { return id == "mailbox" || id == "forbidden" || id == "clock" }
