package statuspage

import (
	"strings"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/suggest"
	"hmaproxy/internal/traffic"
	"hmaproxy/internal/webpage"
)

// maxTop limits the number of mailboxes that the status page shows. It is also
// the limit for operations and for clients.
const maxTop = 10

// trafficStatus contains the mailboxes, operations and clients with the most
// requests since the start. Its texts are printable.
type trafficStatus struct {
	Requests   int64        `json:"requests"`
	Mailboxes  []usedStatus `json:"top_mailboxes"`
	Operations []usedStatus `json:"top_operations"`
	Clients    []usedStatus `json:"top_clients"`
	Needed     string       `json:"needed_list,omitempty"` // in audit mode: text of an allow-list that would let this traffic pass
}

// usedStatus is the name of a mailbox, an operation or a client, with the number
// of its requests.
type usedStatus struct {
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Problems int64  `json:"problems"` // number of requests that were refused, failed, or would be refused in enforce mode
}

func trafficStatusOf(s *traffic.Summary, mode string) trafficStatus {
	t := trafficStatus{Requests: s.Requests(), Mailboxes: []usedStatus{}, Operations: []usedStatus{}, Clients: []usedStatus{}}
	for i := range s.Mailboxes[:min(len(s.Mailboxes), maxTop)] {
		m := &s.Mailboxes[i]
		t.Mailboxes = append(t.Mailboxes, used(m.Entry(), &m.Counts))
	}
	for i := range s.Operations[:min(len(s.Operations), maxTop)] {
		o := &s.Operations[i]
		t.Operations = append(t.Operations, used(o.Name, &o.Counts))
	}
	for i := range s.Clients[:min(len(s.Clients), maxTop)] {
		c := &s.Clients[i]
		t.Clients = append(t.Clients, used(strings.Trim(c.Name+" "+c.Product, " "), &c.Counts))
	}
	if mode == "audit" {
		var list strings.Builder
		_ = suggest.New(s).WriteTo(&list, "Suggested by the status page of hmaproxy from "+printable.Count(t.Requests, "request", "requests")+" since its start,",
			s.First.UTC().Format("2006-01-02 15:04")+" to "+s.Last.UTC().Format("2006-01-02 15:04 MST")+".") // a Builder does not fail
		t.Needed = list.String()
	}
	return t
}

func used(name string, c *traffic.Counts) usedStatus {
	return usedStatus{printable.Text(name), c.Requests(), c.Of(outcome.Refused) + c.Of(outcome.Failed) + c.Of(outcome.Audited)}
}

// writeTraffic writes the most frequent mailboxes, operations and clients since
// the start, and in audit mode the list that enforce mode would need.
func writeTraffic(w *webpage.Writer, t *trafficStatus) {
	if t.Requests == 0 {
		return
	}
	w.Markup(`<section class="cards">
`)
	writeUsed(w, "Top mailboxes", t.Mailboxes)
	writeUsed(w, "Top operations", t.Operations)
	writeUsed(w, "Top clients", t.Clients)
	w.Markup("</section>\n")
	if t.Needed == "" {
		return
	}
	w.Markup(`<section class="requests">
  <h2>The allow-list that enforcing would need</h2>
  <p>For the traffic since the start of this process. <a href="/?still">Hold the page still</a>, select all of it, and read each entry before you use it; <code>hmaproxy report -suggest</code> makes the same from logs.</p>
  <textarea readonly rows="16" aria-label="Allow-list">
`)
	w.Text(t.Needed)
	w.Markup(`</textarea>
</section>
`)
}

func writeUsed(w *webpage.Writer, title webpage.Markup, list []usedStatus) {
	w.Markup(`  <article>
    <h2>`)
	w.Markup(title)
	w.Markup(`</h2>
    <table>
      <thead><tr><th scope="col">Name<th scope="col" class="n">Requests<th scope="col" class="n">Problems</thead>
      <tbody>
`)
	for _, u := range list {
		w.Markup("      <tr><td>")
		writeTextOrDash(w, u.Name)
		w.Markup(`<td class="n">`)
		w.Text(printable.Number(u.Requests))
		w.Markup(`<td class="n">`)
		w.Text(printable.Number(u.Problems))
		w.Markup("\n")
	}
	w.Markup(`      </tbody>
    </table>
  </article>
`)
}
