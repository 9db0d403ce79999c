package exchange

import "sync"

// Limits holds the sizes of the data that Exchange stores and returns. It is safe
// for concurrent use.
type Limits struct {
	mu             sync.Mutex
	attachmentSize int64
	keptContent    int
}

// SetAttachmentSize sets the size, in bytes of base64, of the attachments that
// no client created and that GetAttachment returns nevertheless. The size is
// rounded down to a multiple of four.
func (l *Limits) SetAttachmentSize(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attachmentSize = n
}

// KeepContent makes Exchange store base64 text, such as attachments, if it has at
// most n bytes. An n below 1 MiB, the default, counts as 1 MiB. An n above 8 MiB
// counts as 8 MiB. Of longer text Exchange stores only the size.
func (l *Limits) KeepContent(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keptContent = min(n, keptText)
}

func (l *Limits) longestText() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.keptContent, trimTextRun)
}

// fillerSize returns the size of an attachment that no client created: a multiple of
// four bytes.
func (l *Limits) fillerSize() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attachmentSize / 4 * 4
}
