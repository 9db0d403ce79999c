package statuspage

import (
	"cmp"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/reltime"
	"hmaproxy/proxy"
)

// writePage writes the whole page.
func writePage(w *htmlWriter, v *view) {
	w.markup(`<!doctype html>
<html lang="en">
`)
	writeHead(w, v)
	writeHeader(w, v)
	w.markup("<main>\n")
	writeNotes(w, v)
	writeCharts(w, v)
	writeCards(w, v)
	writeProblems(w, v.Problems)
	writeRunning(w, v)
	writeLastRequests(w, v)
	w.markup(`</main>
</html>
`)
}

func writeHead(w *htmlWriter, v *view) {
	w.markup(`<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>`)
	w.markup(readiness(v.status))
	w.markup(` · hmaproxy</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23`)
	w.markup(byState(v.status, "c8312b", "c98500", "1f8a4c"))
	w.markup(`'/%3E%3C/svg%3E">
<style>`)
	w.markup(statusCSS)
	w.markup("</style>\n")
}

func readiness(s *status) markup { return choose(s.Ready, "ready", "not ready") }

// byState returns bad if s is not ready, warn if it has alarms, and good otherwise.
func byState(s *status, bad, warn, good markup) markup {
	if !s.Ready {
		return bad
	}
	return choose(len(s.Alarms) > 0, warn, good)
}

func writeHeader(w *htmlWriter, v *view) {
	w.markup(`<header>
  <h1>hmaproxy</h1>
  <p class="state `)
	w.markup(byState(v.status, "bad", "warn", "good"))
	w.markup(`">`)
	w.markup(readiness(v.status))
	w.markup(`</p>
  <p class="where">`)
	writeURLs(w, v.Listen, ", ")
	if len(v.Listen) > 0 {
		w.markup(" → ")
	}
	w.text(v.Exchange)
	w.markup(`</p>
  <p class="meta">`)
	w.text(v.Version)
	w.markup(", up ")
	w.text(reltime.About(v.Time.Sub(v.Begun)))
	w.markup(" · as of ")
	w.text(instant(v.Time))
	w.markup(" · ")
	w.markup(choose(v.Still, `<a href="/">reload by itself</a>`, `<a href="/?still">hold still</a>`))
	w.markup(` · <a href="/status.json">JSON</a> · <a href="/metrics">metrics</a></p>
</header>
`)
}

// writeURLs writes URLs as text, not as links.
func writeURLs(w *htmlWriter, urls []string, separator markup) {
	for i, url := range urls {
		if i > 0 {
			w.markup(separator)
		}
		w.code(url)
	}
}

// writeNotes writes why the product is not ready, and its alarms.
func writeNotes(w *htmlWriter, v *view) {
	if v.Cause == "" && len(v.Alarms) == 0 {
		return
	}
	w.markup(`<section class="notes" aria-label="What to look into">
`)
	if v.Cause != "" {
		w.markup(`  <p class="note bad">`)
		w.text(sentence(v.Cause))
		w.markup("</p>\n")
	}
	for _, alarm := range v.Alarms {
		w.markup(`<p class="note warn">`)
		w.text(sentence(alarm))
		w.markup("</p>")
	}
	w.markup("\n</section>\n")
}

func writeCharts(w *htmlWriter, v *view) {
	w.markup(`<section class="charts">
`)
	writeLatency(w, &v.Latency, len(v.Requests))
	writeHour(w, &v.Hour)
	w.markup("</section>\n")
}

func writeLatency(w *htmlWriter, c *latencyChart, requests int) {
	w.markup(`  <figure>
    <figcaption><b>Latency</b> of the last `)
	w.number(requests)
	w.markup(" requests")
	if c.Timed > 0 {
		w.markup(`<span class="figures">median `)
		w.text(took(c.Median))
		w.markup(" · 95th percentile ")
		w.text(took(c.Slowest5))
		w.markup("</span>")
	}
	w.markup(`</figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true"><i>100 s</i><i>10 s</i><i>1 s</i><i>100 ms</i><i>10 ms</i><i>1 ms</i><i>100 µs</i></div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="Duration of each request, the newest at the right">
        <path class="grid" d="M0 0H600M0 16.7H600M0 33.3H600M0 50H600M0 66.7H600M0 83.3H600M0 100H600"/>
`)
	writeBars(w, c.Bars)
	w.markup(`      </svg>
    </div>
    <p class="axis" aria-hidden="true"><span>older</span><span>latest</span></p>
  </figure>
`)
}

func writeHour(w *htmlWriter, c *hourChart) {
	w.markup(`  <figure>
    <figcaption><b>Outcomes</b> by minute`)
	for _, l := range c.Legend {
		w.markup(`<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true"><rect`)
		w.attribute("class", string(l.Kind))
		w.markup(` width="10" height="10"/></svg>`)
		w.text(string(l.Kind))
		w.markup(" ")
		w.number(l.Count)
		w.markup("</span>")
	}
	w.markup(`</figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true"><i>`)
	w.number(c.Top)
	w.markup(`</i><i>0</i></div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="Requests of each minute of the last hour by outcome">
        <path class="grid" d="M0 0H600M0 50H600M0 100H600"/>
`)
	writeBars(w, c.Bars)
	w.markup(`      </svg>
    </div>
    <p class="axis" aria-hidden="true"><span>an hour ago</span><span>now</span></p>
  </figure>
`)
}

func writeBars(w *htmlWriter, bars []bar) {
	for _, b := range bars {
		w.markup("        <rect")
		w.attribute("class", string(b.Kind))
		w.attribute("x", decimal(b.X))
		w.attribute("y", decimal(b.Y))
		w.attribute("width", decimal(b.W))
		w.attribute("height", decimal(b.H))
		w.markup("><title>")
		w.text(b.Title)
		w.markup("</title></rect>\n")
	}
}

func writeCards(w *htmlWriter, v *view) {
	w.markup(`<section class="cards">
`)
	writeExchange(w, &v.Responses, v.Time)
	writeToken(w, &v.Token, v.Time)
	writeCertificates(w, v)
	writeAllowList(w, v)
	w.markup("</section>\n")
}

// writeWhen writes how far t is from now, with the instant as a tooltip.
func writeWhen(w *htmlWriter, now, t time.Time) {
	w.markup("<time")
	w.attribute("title", instant(t))
	w.markup(">")
	w.text(reltime.Until(now, t))
	w.markup("</time>")
}

// writeWhenOr writes otherwise if t is zero.
func writeWhenOr(w *htmlWriter, now, t time.Time, otherwise markup) {
	if t.IsZero() {
		w.markup(otherwise)
		return
	}
	writeWhen(w, now, t)
}

// writeTime writes an entry of a list, unless t is zero.
func writeTime(w *htmlWriter, term markup, now, t time.Time) {
	if t.IsZero() {
		return
	}
	writeTerm(w, term)
	writeWhen(w, now, t)
	w.markup("\n")
}

// writeText writes an entry of a list, unless s is empty.
func writeText(w *htmlWriter, term markup, s string) {
	if s == "" {
		return
	}
	writeTerm(w, term)
	w.text(s)
	w.markup("\n")
}

// writeCode writes an entry of a list as code, unless s is empty.
func writeCode(w *htmlWriter, term markup, s string) {
	if s == "" {
		return
	}
	writeTerm(w, term)
	w.code(s)
	w.markup("\n")
}

// writeTerm begins an entry of a list. HTML needs no end tags here.
func writeTerm(w *htmlWriter, term markup) {
	w.markup("      <dt>")
	w.markup(term)
	w.markup("<dd>")
}

// writeColoured begins an entry of a list whose value has a class.
func writeColoured(w *htmlWriter, term, class markup) {
	w.markup("      <dt>")
	w.markup(term)
	w.markup(`<dd class="`)
	w.markup(class)
	w.markup(`">`)
}

func writeExchange(w *htmlWriter, r *responsesStatus, now time.Time) {
	w.markup(`  <article>
    <h2>Exchange</h2>
    <dl>
`)
	switch {
	case r.Failures > 0:
		writeColoured(w, "State", "bad")
		w.number(r.Failures)
		w.markup(choose(r.Failures == 1, " request failed", " requests in a row failed"))
	case r.LastGood.IsZero():
		writeColoured(w, "State", "")
		w.markup("no request yet")
	default:
		writeColoured(w, "State", "good")
		w.markup("responds")
	}
	w.markup("\n")
	writeTerm(w, "Last good")
	writeWhenOr(w, now, r.LastGood, "never")
	w.markup("\n")
	if f := r.First; f != nil {
		writeTerm(w, "First failure")
		writeWhen(w, now, f.Time)
		w.markup(", ")
		if f.Reason != proxy.ReasonNone {
			w.text(f.Reason.String())
			w.markup(": ")
		}
		w.text(f.Cause)
		w.markup("\n")
		writeText(w, "Remedy", f.Remedy)
	}
	if r.Failures > 0 {
		writeTerm(w, "Last failure")
		writeWhen(w, now, r.Last)
		w.markup("\n")
	}
	w.markup(`    </dl>
  </article>
`)
}

func writeToken(w *htmlWriter, t *tokenStatus, now time.Time) {
	w.markup(`  <article>
    <h2>Token</h2>
    <dl>
`)
	switch {
	case !t.Usable:
		writeColoured(w, "State", "bad")
	case t.Error != nil || !t.FullAccess:
		writeColoured(w, "State", "warn")
	default:
		writeColoured(w, "State", "good")
	}
	w.markup(choose(t.Usable, "usable\n", "none that is usable\n"))
	writeTime(w, "Expires", now, t.Expires)
	writeTime(w, "Next request", now, t.Refresh)
	writeText(w, "Audience", t.Audience)
	if t.Usable {
		writeTerm(w, "Roles")
		for _, role := range t.Roles {
			w.code(role)
			w.markup(" ")
		}
		w.markup(choose(len(t.Roles) == 0, "none\n", "\n"))
	}
	writeCode(w, "Application", t.App)
	writeCode(w, "Tenant", t.Tenant)
	if e := t.Error; e != nil {
		writeColoured(w, "Last error", "bad")
		w.text(string(e.Class))
		if e.AADSTS != 0 {
			w.markup(", AADSTS")
			w.number(e.AADSTS)
		}
		w.markup(", see above\n")
	}
	if t.Failures > 0 {
		writeColoured(w, "Failures", "bad")
		w.number(t.Failures)
		w.markup(" in a row\n")
	}
	w.markup(`    </dl>
  </article>
`)
}

func writeCertificates(w *htmlWriter, v *view) {
	w.markup(`  <article>
    <h2>Certificate</h2>
`)
	for i := range v.Certificates {
		writeCertificate(w, &v.Certificates[i], v.Time)
	}
	if len(v.Certificates) == 0 {
		w.markup(`<p class="none">none yet</p>`)
	}
	w.markup("\n")
	writeSource(w, &v.Source, v.Time)
	w.markup("  </article>\n")
}

func writeCertificate(w *htmlWriter, c *certificateStatus, now time.Time) {
	w.markup(`<dl>
      <dt>`)
	w.text(string(c.Slot))
	w.markup(`<dd class="`)
	switch {
	case c.Slot == health.Active:
		w.markup("good")
	case c.Refused != "":
		w.markup("bad")
	}
	w.markup(`">`)
	w.text(c.Subject)
	w.markup("\n")
	writeTerm(w, "Ends")
	writeWhen(w, now, c.NotAfter)
	w.markup(", ")
	w.text(c.NotAfter.Format("2 Jan 2006"))
	w.markup("\n")
	writeThumbprint(w, "Thumbprint", c.SHA1)
	writeThumbprint(w, "SHA-256", c.SHA256)
	if c.Refused != "" {
		writeColoured(w, "State", "bad")
		w.markup("refused by Entra, see above\n")
	}
	w.markup("    </dl>")
}

func writeThumbprint(w *htmlWriter, term markup, hex string) {
	writeTerm(w, term)
	w.markup("<code>")
	for _, part := range groups(hex) {
		w.text(part)
		w.markup("<wbr>")
	}
	w.markup("</code>\n")
}

func writeSource(w *htmlWriter, s *sourceStatus, now time.Time) {
	w.markup("    <dl>\n")
	writeTerm(w, "From")
	w.text(s.From)
	w.markup(" ")
	w.text(s.Name)
	w.markup(choose(s.KeyMode == "vault", ", which signs\n", "\n"))
	writeTerm(w, "Read")
	writeWhenOr(w, now, s.LastSuccess, "never")
	w.markup("\n")
	if s.Error != "" {
		writeColoured(w, "State", "bad")
		w.markup("cannot be read, see above\n")
	}
	w.markup("    </dl>\n")
}

func writeAllowList(w *htmlWriter, v *view) {
	l := &v.AllowList
	w.markup(`  <article>
    <h2>Allow-list</h2>
    <dl>
`)
	writeColoured(w, "Mode", choose(l.Mode == "enforce", "good", "warn"))
	switch l.Mode {
	case "none":
		w.markup("no list: every mailbox\n")
	case "every":
		w.markup("every mailbox, on purpose\n")
	default:
		w.text(l.Mode)
		w.markup("\n")
	}
	if l.Mode != "none" {
		writeTerm(w, "Judges")
		w.markup(choose(l.Scope == "targets", "who is impersonated, and the mailboxes in the body\n", "who is impersonated\n"))
		writeTerm(w, "Entries")
		w.number(l.Entries)
		w.markup("\n")
	}
	writeCode(w, "File", l.File)
	writeTime(w, "Changed", v.Time, l.Modified)
	if l.Groups != nil {
		writeGroups(w, l.Groups, v.Time)
	}
	if l.Alarm != "" {
		writeColoured(w, "State", "bad")
		w.markup("an older list is in force, see above\n")
	}
	w.markup("    </dl>\n")
	writeMailboxForm(w, v.Asked)
	w.markup("  </article>\n")
}

func writeGroups(w *htmlWriter, g *groupsStatus, now time.Time) {
	writeTerm(w, "Groups")
	for _, name := range g.Names {
		w.code(name)
		w.markup(" ")
	}
	w.markup("\n")
	writeColoured(w, "Members", choose(g.Error != "", "bad", ""))
	w.number(g.Members)
	if g.Expanded.IsZero() {
		w.markup(", not expanded yet")
	} else {
		w.markup(", expanded ")
		writeWhen(w, now, g.Expanded)
	}
	w.markup(choose(g.Error != "", ", see above\n", "\n"))
}

// writeMailboxForm writes the form that asks whether a mailbox is allowed, and the
// result if asked is not nil.
func writeMailboxForm(w *htmlWriter, asked *mailboxStatus) {
	w.markup(`    <form action="/" method="get"><label>Is this mailbox allowed? <input type="search" name="mailbox" placeholder="alice@contoso.com"`)
	if asked != nil {
		w.attribute("value", asked.Mailbox)
	}
	w.markup(`></label> <button>Check</button></form>
`)
	if asked == nil {
		return
	}
	w.markup(choose(asked.Allowed, `    <p class="good">`, `    <p class="bad">`))
	w.text(asked.Mailbox)
	w.markup(choose(asked.Allowed, " is allowed, where the patterns of a client user allow it too.</p>\n", " is not allowed.</p>\n"))
}

func writeProblems(w *htmlWriter, problems []request) {
	if len(problems) == 0 {
		return
	}
	w.markup(`<section class="requests">
  <h2>Last requests that were refused or failed</h2>
`)
	writeRequests(w, "Requests that were refused or failed", problems)
	w.markup("</section>\n")
}

func writeRunning(w *htmlWriter, v *view) {
	if len(v.Running) == 0 {
		return
	}
	w.markup(`<section class="requests">
  <h2>`)
	w.number(v.InFlight)
	w.markup(` in flight</h2>
  <div class="scroll" role="region" aria-label="Requests in flight" tabindex="0"><table>
    <thead><tr><th scope="col">Since<th scope="col">From<th scope="col">Method<th scope="col">SOAPAction</thead>
    <tbody>
`)
	for _, r := range v.Running {
		w.markup(`    <tr><td class="time">`)
		writeWhen(w, v.Time, r.Started)
		w.markup("<td>")
		w.text(r.Remote)
		w.markup("<td>")
		w.text(r.Method)
		w.markup("<td>")
		writeTextOrDash(w, r.Action)
		w.markup("\n")
	}
	w.markup(`    </tbody>
  </table></div>
</section>
`)
}

func writeTextOrDash(w *htmlWriter, s string) {
	if s == "" {
		w.markup("–")
		return
	}
	w.text(s)
}

func writeNumberOrDash(w *htmlWriter, n int) {
	if n == 0 {
		w.markup("–")
		return
	}
	w.number(n)
}

func writeLastRequests(w *htmlWriter, v *view) {
	w.markup(`<section class="requests">
  <h2>Last requests</h2>
`)
	if len(v.Requests) > 0 {
		writeRequests(w, "Last requests", v.Requests)
	} else {
		w.markup(`  <p class="none">None yet. Point an EWS client at `)
		writeURLs(w, v.Listen, " or ")
		w.markup(choose(len(v.Listen) == 0, "this machine's HMA_LISTEN", ""))
		w.markup(", and it shows here.</p>\n")
	}
	w.markup("</section>\n")
}

// writeRequests writes a table of requests that have ended.
func writeRequests(w *htmlWriter, label markup, requests []request) {
	w.markup(`  <div class="scroll" role="region" aria-label="`)
	w.markup(label)
	w.markup(`" tabindex="0"><table>
    <thead><tr><th scope="col">Time<th scope="col">Operation<th scope="col">Mailbox<th scope="col">Result<th scope="col" class="n">Status<th scope="col" class="n">Exchange<th scope="col" class="n">Took</thead>
    <tbody>
`)
	for i := range requests {
		writeRequest(w, &requests[i])
	}
	w.markup(`    </tbody>
  </table></div>
`)
}

func writeRequest(w *htmlWriter, r *request) {
	w.markup("    <tr")
	w.attribute("class", string(r.Outcome))
	w.markup(`><td class="time"><time`)
	w.attribute("datetime", r.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	w.attribute("title", instant(r.Time))
	w.markup(">")
	w.text(clock(r.Time))
	w.markup(`</time>
      <td class="operation">`)
	w.text(cmp.Or(r.Operation, r.Method))
	w.markup(`
      <td class="mailbox">`)
	writeTextOrDash(w, r.Mailbox)
	w.markup(choose(r.Injected, " <small>added</small>\n", "\n"))
	writeResult(w, r)
	writeDetails(w, r)
	w.markup(`      <td class="n status">`)
	writeNumberOrDash(w, r.Status)
	w.markup(`
      <td class="n upstream">`)
	writeNumberOrDash(w, r.Upstream)
	w.markup(`
      <td class="n took">`)
	w.text(took(r.Duration))
	w.markup("\n")
}

func writeResult(w *htmlWriter, r *request) {
	w.markup(`      <td class="result"><b>`)
	switch {
	case r.Reason != proxy.ReasonNone:
		w.text(r.Reason.String())
	case r.Fault != "":
		w.text(r.Fault)
	case r.Audit != proxy.ReasonNone:
		w.text(r.Audit.String())
		w.markup(" (audit)")
	default:
		w.text(string(r.Outcome))
	}
	w.markup("</b>")
	w.markup(choose(r.Replayed, " <small>replayed</small>", ""))
	w.markup(choose(r.Aborted, " <small>cut</small>", ""))
	if r.Detail != "" {
		w.markup(" <small>")
		w.text(r.Detail)
		w.markup("</small>")
	}
	w.markup("\n")
}

// writeDetails writes what the table has no column for.
func writeDetails(w *htmlWriter, r *request) {
	w.markup(`        <details><summary>more</summary><dl>
`)
	writeTerm(w, "Request")
	w.code(r.ID)
	w.markup("\n")
	writeTerm(w, "At")
	w.text(instant(r.Time))
	w.markup("\n")
	writeTerm(w, "From")
	w.text(r.Remote)
	if r.Client != "" {
		w.markup(", client ")
		w.text(r.Client)
	}
	w.markup("\n")
	writeText(w, "User agent", r.Product)
	writeText(w, "Asked for", string(r.Asked))
	writeText(w, "Front end", r.FrontEnd)
	writeCode(w, "At Exchange", r.RequestID)
	writeText(w, "Fault", r.Fault)
	if r.BackOff != 0 {
		writeTerm(w, "Back-off")
		w.text(took(r.BackOff))
		w.markup("\n")
	}
	writeText(w, "Error", r.Error)
	writeText(w, "Remedy", r.Remedy)
	w.markup("        </dl></details>\n")
}
