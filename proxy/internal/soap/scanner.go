package soap

// A Violation is a departure from the profile that Scanner demands.
type Violation struct {
	Offset int64  // where, in bytes from the document's first
	Reason string // a constant text without any of the client's data
}

func (v *Violation) Error() string { return "soap: " + v.Reason }

// A Scanner reads one document that is pushed into it.
type Scanner struct {
	references func(Reference) error
	message    *Message
	err        error
}

// NewScanner returns a Scanner that is ready for a document and collects no
// references.
func NewScanner() *Scanner { return &Scanner{} }

// Reset makes s ready for the next document.
func (s *Scanner) Reset(references func(Reference) error) { *s = Scanner{references: references} }

// Write scans p.
func (s *Scanner) Write(p []byte) (int, error) { return len(p), s.err }

// Close reports the end of the document.
func (s *Scanner) Close() error { return s.err }

// Message returns what the head says, nil until that is known.
func (s *Scanner) Message() *Message { return s.message }

// Forwardable returns the offset up to which bytes may go upstream.
func (s *Scanner) Forwardable() int64 { return 0 }

// AppendHead appends the head written anew.
func (s *Scanner) AppendHead(dst []byte, id Identity) []byte { return dst }

// AppendSpliced appends the client's head with an impersonation added.
func (s *Scanner) AppendSpliced(dst, head []byte, id Identity) []byte { return dst }

// Work counts elementary steps.
func (s *Scanner) Work() int64 { return 0 }
