package doctor

// A Status says how a check ended.
type Status string

const (
	OK      Status = "ok"
	Failed  Status = "failed"
	Skipped Status = "skipped" // not run; Detail says because of what
)

// A Result is the outcome of one check.
type Result struct {
	Check  string   `json:"check"` // "vault-secret": stable, for programs
	Title  string   `json:"title"` // "Key Vault: permission"
	Status Status   `json:"status"`
	Detail string   `json:"detail"`           // what was observed, or why it was not run
	Cause  string   `json:"cause,omitempty"`  // of a failure, the likely one
	Repair []string `json:"repair,omitempty"` // of a failure: commands, settings or ways through the portal
	Notes  []string `json:"notes,omitempty"`  // what should be known and is no failure

	carryOn bool   // failed, but what builds on it can be tried
	root    string // of a check that was not run: the failure that it goes back to
}

func ok(detail string, notes ...string) Result {
	return Result{Status: OK, Detail: detail, Notes: notes}
}

func failed(detail, cause string, repair ...string) Result {
	return Result{Status: Failed, Detail: detail, Cause: cause, Repair: repair}
}

// stops reports whether what builds on the check cannot be tried.
func (r Result) stops() bool { return r.Status == Failed && !r.carryOn }

// goingOn lets what builds on a failed check be tried nevertheless.
func (r Result) goingOn() Result {
	r.carryOn = true
	return r
}

func skipped(because string) Result {
	return Result{Status: Skipped, Detail: because}
}

// Exit codes of the command.
const (
	exitOK            = 0
	exitFailed        = 1
	exitConfiguration = 2
)

// ExitCode is what a process should end with after these Results: 0 when no
// check failed, 2 when the configuration did, else 1. A walk that was cut
// short is a failure too.
func ExitCode(all []Result) int {
	code := exitOK
	for _, r := range all {
		switch {
		case r.Status == Failed && r.Check == "configuration":
			return exitConfiguration
		case r.Status == Failed, r.Status == Skipped && !optional(r.Check):
			code = exitFailed
		}
	}
	return code
}

// optional reports whether a check depends on what the caller asked for, or on
// what services volunteer.
func optional(id string) bool { return id == "mailbox" || id == "forbidden" || id == "clock" }
