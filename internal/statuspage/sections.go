package statuspage

import (
	"cmp"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/reltime"
	"hmaproxy/internal/webpage"
	"hmaproxy/proxy"
)

// writePage writes the whole page.
func writePage(w *webpage.Writer, v *view) {
	w.Markup(`<!doctype html>
<html lang="en">
`)
	writeHead(w, v)
	writeHeader(w, v)
	w.Markup("<main>\n")
	writeNotes(w, v)
	writeCharts(w, v)
	writeCards(w, v)
	writeTraffic(w, &v.Traffic)
	writeProblems(w, v.Problems)
	writeRunning(w, v)
	writeLastRequests(w, v)
	w.Markup(`</main>
</html>
`)
}

func writeHead(w *webpage.Writer, v *view) {
	w.Markup(`<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>`)
	w.Markup(readiness(v.status))
	w.Markup(` · hmaproxy</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7' fill='%23`)
	w.Markup(byState(v.status, "c8312b", "c98500", "1f8a4c"))
	w.Markup(`'/%3E%3C/svg%3E">
<style>`)
	w.Markup(webpage.CSS())
	w.Markup("</style>\n")
}

func readiness(s *status) webpage.Markup { return webpage.Choose(s.Ready, "ready", "not ready") }

// byState returns bad if s is not ready, warn if it has alarms, and good otherwise.
func byState(s *status, bad, warn, good webpage.Markup) webpage.Markup {
	if !s.Ready {
		return bad
	}
	return webpage.Choose(len(s.Alarms) > 0, warn, good)
}

func writeHeader(w *webpage.Writer, v *view) {
	w.Markup(`<header>
  <h1>hmaproxy</h1>
  <p class="state `)
	w.Markup(byState(v.status, "bad", "warn", "good"))
	w.Markup(`">`)
	w.Markup(readiness(v.status))
	w.Markup(`</p>
  <p class="where">`)
	writeURLs(w, v.Listen, ", ")
	if len(v.Listen) > 0 {
		w.Markup(" → ")
	}
	w.Text(v.Exchange)
	w.Markup(`</p>
  <p class="meta">`)
	w.Text(v.Version)
	w.Markup(", up ")
	w.Text(reltime.About(v.Time.Sub(v.Begun)))
	w.Markup(" · as of ")
	w.Text(instant(v.Time))
	w.Markup(" · ")
	w.Markup(webpage.Choose(v.Still, `<a href="/">reload by itself</a>`, `<a href="/?still">hold still</a>`))
	w.Markup(` · <a href="/status.json">JSON</a> · <a href="/metrics">metrics</a></p>
</header>
`)
}

// writeURLs writes URLs as text, not as links.
func writeURLs(w *webpage.Writer, urls []string, separator webpage.Markup) {
	for i, url := range urls {
		if i > 0 {
			w.Markup(separator)
		}
		w.Code(url)
	}
}

// writeNotes writes why the product is not ready, and its alarms.
func writeNotes(w *webpage.Writer, v *view) {
	if v.Cause == "" && len(v.Alarms) == 0 {
		return
	}
	w.Markup(`<section class="notes" aria-label="What to look into">
`)
	if v.Cause != "" {
		w.Markup(`  <p class="note bad">`)
		w.Text(sentence(v.Cause))
		w.Markup("</p>\n")
	}
	for _, alarm := range v.Alarms {
		w.Markup(`<p class="note warn">`)
		w.Text(sentence(alarm))
		w.Markup("</p>")
	}
	w.Markup("\n</section>\n")
}

func writeCharts(w *webpage.Writer, v *view) {
	w.Markup(`<section class="charts">
`)
	writeLatency(w, &v.Latency, len(v.Requests))
	writeHour(w, &v.Hour)
	w.Markup("</section>\n")
}

func writeLatency(w *webpage.Writer, c *latencyChart, requests int) {
	w.Markup(`  <figure>
    <figcaption><b>Latency</b> of the last `)
	w.Number(requests)
	w.Markup(" requests")
	if c.Timed > 0 {
		w.Markup(`<span class="figures">median `)
		w.Text(took(c.Median))
		w.Markup(" · 95th percentile ")
		w.Text(took(c.Slowest5))
		w.Markup("</span>")
	}
	w.Markup(`</figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true"><i>100 s</i><i>10 s</i><i>1 s</i><i>100 ms</i><i>10 ms</i><i>1 ms</i><i>100 µs</i></div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="Duration of each request, the newest at the right">
        <path class="grid" d="M0 0H600M0 16.7H600M0 33.3H600M0 50H600M0 66.7H600M0 83.3H600M0 100H600"/>
`)
	for _, b := range c.Bars {
		w.Bar(b)
	}
	w.Markup(`      </svg>
    </div>
    <p class="axis" aria-hidden="true"><span>older</span><span>latest</span></p>
  </figure>
`)
}

func writeHour(w *webpage.Writer, c *hourChart) {
	w.Markup(`  <figure>
    <figcaption><b>Outcomes</b> by minute`)
	for _, l := range c.Legend {
		w.Markup(`<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true"><rect`)
		w.Attribute("class", string(l.Kind))
		w.Markup(` width="10" height="10"/></svg>`)
		w.Text(string(l.Kind))
		w.Markup(" ")
		w.Number(l.Count)
		w.Markup("</span>")
	}
	w.Markup(`</figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true"><i>`)
	w.Number(c.Top)
	w.Markup(`</i><i>0</i></div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="Requests of each minute of the last hour by outcome">
        <path class="grid" d="M0 0H600M0 50H600M0 100H600"/>
`)
	for _, b := range c.Bars {
		w.Bar(b)
	}
	w.Markup(`      </svg>
    </div>
    <p class="axis" aria-hidden="true"><span>an hour ago</span><span>now</span></p>
  </figure>
`)
}

func writeCards(w *webpage.Writer, v *view) {
	w.Markup(`<section class="cards">
`)
	writeExchange(w, &v.Responses, v.Time)
	writeToken(w, &v.Token, v.Time)
	writeCertificates(w, v)
	writeAllowList(w, v)
	w.Markup("</section>\n")
}

// writeWhen writes the span between now and t in words, with the time t as a
// tooltip.
func writeWhen(w *webpage.Writer, now, t time.Time) {
	w.Markup("<time")
	w.Attribute("title", instant(t))
	w.Markup(">")
	w.Text(reltime.Until(now, t))
	w.Markup("</time>")
}

// writeWhenOr is like writeWhen, but if t is zero it writes the markup in the
// argument "otherwise".
func writeWhenOr(w *webpage.Writer, now, t time.Time, otherwise webpage.Markup) {
	if t.IsZero() {
		w.Markup(otherwise)
		return
	}
	writeWhen(w, now, t)
}

// writeTime writes term and the time t as an entry of a description list (dl). It
// writes nothing if t is zero.
func writeTime(w *webpage.Writer, term webpage.Markup, now, t time.Time) {
	if t.IsZero() {
		return
	}
	writeTerm(w, term)
	writeWhen(w, now, t)
	w.Markup("\n")
}

// writeText writes term and the text s as an entry of a description list. It
// writes nothing if s is empty.
func writeText(w *webpage.Writer, term webpage.Markup, s string) {
	if s == "" {
		return
	}
	writeTerm(w, term)
	w.Text(s)
	w.Markup("\n")
}

// writeCode is like writeText, but marks s as code.
func writeCode(w *webpage.Writer, term webpage.Markup, s string) {
	if s == "" {
		return
	}
	writeTerm(w, term)
	w.Code(s)
	w.Markup("\n")
}

// writeTerm writes the term of an entry of a description list, and begins the
// entry's value. It writes no end tags, because HTML does not require them for dt
// and dd.
func writeTerm(w *webpage.Writer, term webpage.Markup) {
	w.Markup("      <dt>")
	w.Markup(term)
	w.Markup("<dd>")
}

// writeColoured is like writeTerm, but gives the entry's value a CSS class.
func writeColoured(w *webpage.Writer, term, class webpage.Markup) {
	w.Markup("      <dt>")
	w.Markup(term)
	w.Markup(`<dd class="`)
	w.Markup(class)
	w.Markup(`">`)
}

func writeExchange(w *webpage.Writer, r *responsesStatus, now time.Time) {
	w.Markup(`  <article>
    <h2>Exchange</h2>
    <dl>
`)
	switch {
	case r.Failures > 0:
		writeColoured(w, "State", "bad")
		w.Number(r.Failures)
		w.Markup(webpage.Choose(r.Failures == 1, " request failed", " requests in a row failed"))
	case r.LastGood.IsZero():
		writeColoured(w, "State", "")
		w.Markup("no request yet")
	default:
		writeColoured(w, "State", "good")
		w.Markup("responds")
	}
	w.Markup("\n")
	writeTerm(w, "Last good")
	writeWhenOr(w, now, r.LastGood, "never")
	w.Markup("\n")
	if f := r.First; f != nil {
		writeTerm(w, "First failure")
		writeWhen(w, now, f.Time)
		w.Markup(", ")
		if f.Reason != proxy.ReasonNone {
			w.Text(f.Reason.String())
			w.Markup(": ")
		}
		w.Text(f.Cause)
		w.Markup("\n")
		writeText(w, "Remedy", f.Remedy)
	}
	if r.Failures > 0 {
		writeTerm(w, "Last failure")
		writeWhen(w, now, r.Last)
		w.Markup("\n")
	}
	w.Markup(`    </dl>
  </article>
`)
}

func writeToken(w *webpage.Writer, t *tokenStatus, now time.Time) {
	w.Markup(`  <article>
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
	w.Markup(webpage.Choose(t.Usable, "usable\n", "none that is usable\n"))
	writeTime(w, "Expires", now, t.Expires)
	writeTime(w, "Next request", now, t.Refresh)
	writeText(w, "Audience", t.Audience)
	if t.Usable {
		writeTerm(w, "Roles")
		for _, role := range t.Roles {
			w.Code(role)
			w.Markup(" ")
		}
		w.Markup(webpage.Choose(len(t.Roles) == 0, "none\n", "\n"))
	}
	writeCode(w, "Application", t.App)
	writeCode(w, "Tenant", t.Tenant)
	if e := t.Error; e != nil {
		writeColoured(w, "Last error", "bad")
		w.Text(string(e.Class))
		if e.AADSTS != 0 {
			w.Markup(", AADSTS")
			w.Number(e.AADSTS)
		}
		w.Markup(", see above\n")
	}
	if t.Failures > 0 {
		writeColoured(w, "Failures", "bad")
		w.Number(t.Failures)
		w.Markup(" in a row\n")
	}
	w.Markup(`    </dl>
  </article>
`)
}

func writeCertificates(w *webpage.Writer, v *view) {
	w.Markup(`  <article>
    <h2>Certificate</h2>
`)
	for i := range v.Certificates {
		writeCertificate(w, &v.Certificates[i], v.Time)
	}
	if len(v.Certificates) == 0 {
		w.Markup(`<p class="none">none yet</p>`)
	}
	w.Markup("\n")
	writeSource(w, &v.Source, v.Time)
	w.Markup("  </article>\n")
}

func writeCertificate(w *webpage.Writer, c *certificateStatus, now time.Time) {
	w.Markup(`<dl>
      <dt>`)
	w.Text(string(c.Slot))
	w.Markup(`<dd class="`)
	switch {
	case c.Slot == health.Active:
		w.Markup("good")
	case c.Refused != "":
		w.Markup("bad")
	}
	w.Markup(`">`)
	w.Text(c.Subject)
	w.Markup("\n")
	writeTerm(w, "Ends")
	writeWhen(w, now, c.NotAfter)
	w.Markup(", ")
	w.Text(c.NotAfter.Format("2 Jan 2006"))
	w.Markup("\n")
	writeThumbprint(w, "Thumbprint", c.SHA1)
	writeThumbprint(w, "SHA-256", c.SHA256)
	if c.Refused != "" {
		writeColoured(w, "State", "bad")
		w.Markup("refused by Entra, see above\n")
	}
	w.Markup("    </dl>")
}

func writeThumbprint(w *webpage.Writer, term webpage.Markup, hex string) {
	writeTerm(w, term)
	w.Markup("<code>")
	for _, part := range groups(hex) {
		w.Text(part)
		w.Markup("<wbr>")
	}
	w.Markup("</code>\n")
}

func writeSource(w *webpage.Writer, s *sourceStatus, now time.Time) {
	w.Markup("    <dl>\n")
	writeTerm(w, "From")
	w.Text(s.From)
	w.Markup(" ")
	w.Text(s.Name)
	w.Markup(webpage.Choose(s.KeyMode == "vault", ", which signs\n", "\n"))
	writeTerm(w, "Read")
	writeWhenOr(w, now, s.LastSuccess, "never")
	w.Markup("\n")
	if s.Error != "" {
		writeColoured(w, "State", "bad")
		w.Markup("cannot be read, see above\n")
	}
	w.Markup("    </dl>\n")
}

func writeAllowList(w *webpage.Writer, v *view) {
	l := &v.AllowList
	w.Markup(`  <article>
    <h2>Allow-list</h2>
    <dl>
`)
	writeColoured(w, "Mode", webpage.Choose(l.Mode == "enforce", "good", "warn"))
	switch l.Mode {
	case "none":
		w.Markup("no list: every mailbox\n")
	case "every":
		w.Markup("every mailbox, on purpose\n")
	default:
		w.Text(l.Mode)
		w.Markup("\n")
	}
	if l.Mode != "none" {
		writeTerm(w, "Judges")
		w.Markup(webpage.Choose(l.Scope == "targets", "who is impersonated, and the mailboxes in the body\n", "who is impersonated\n"))
		writeTerm(w, "Entries")
		w.Number(l.Entries)
		w.Markup("\n")
	}
	writeCode(w, "File", l.File)
	writeTime(w, "Changed", v.Time, l.Modified)
	if l.Groups != nil {
		writeGroups(w, l.Groups, v.Time)
	}
	if l.Alarm != "" {
		writeColoured(w, "State", "bad")
		w.Markup("an older list is in force, see above\n")
	}
	w.Markup("    </dl>\n")
	writeMailboxForm(w, v.Asked)
	w.Markup("  </article>\n")
}

func writeGroups(w *webpage.Writer, g *groupsStatus, now time.Time) {
	writeTerm(w, "Groups")
	for _, name := range g.Names {
		w.Code(name)
		w.Markup(" ")
	}
	w.Markup("\n")
	writeColoured(w, "Members", webpage.Choose(g.Error != "", "bad", ""))
	w.Number(g.Members)
	if g.Expanded.IsZero() {
		w.Markup(", not expanded yet")
	} else {
		w.Markup(", expanded ")
		writeWhen(w, now, g.Expanded)
	}
	w.Markup(webpage.Choose(g.Error != "", ", see above\n", "\n"))
}

// writeMailboxForm writes the form that asks whether a mailbox is allowed, and the
// result if asked is not nil.
func writeMailboxForm(w *webpage.Writer, asked *mailboxStatus) {
	w.Markup(`    <form action="/" method="get"><label>Is this mailbox allowed? <input type="search" name="mailbox" placeholder="alice@contoso.com"`)
	if asked != nil {
		w.Attribute("value", asked.Mailbox)
	}
	w.Markup(`></label> <button>Check</button></form>
`)
	if asked == nil {
		return
	}
	w.Markup(webpage.Choose(asked.Allowed, `    <p class="good">`, `    <p class="bad">`))
	w.Text(asked.Mailbox)
	w.Markup(webpage.Choose(asked.Allowed, " is allowed, where the patterns of a client user allow it too.</p>\n", " is not allowed.</p>\n"))
}

func writeProblems(w *webpage.Writer, problems []request) {
	if len(problems) == 0 {
		return
	}
	w.Markup(`<section class="requests">
  <h2>Last requests that were refused or failed</h2>
`)
	writeRequests(w, "Requests that were refused or failed", problems)
	w.Markup("</section>\n")
}

func writeRunning(w *webpage.Writer, v *view) {
	if len(v.Running) == 0 {
		return
	}
	w.Markup(`<section class="requests">
  <h2>`)
	w.Number(v.InFlight)
	w.Markup(` in flight</h2>
  <div class="scroll" role="region" aria-label="Requests in flight" tabindex="0"><table>
    <thead><tr><th scope="col">Since<th scope="col">From<th scope="col">Method<th scope="col">SOAPAction</thead>
    <tbody>
`)
	for _, r := range v.Running {
		w.Markup(`    <tr><td class="time">`)
		writeWhen(w, v.Time, r.Started)
		w.Markup("<td>")
		w.Text(r.Remote)
		w.Markup("<td>")
		w.Text(r.Method)
		w.Markup("<td>")
		writeTextOrDash(w, r.Action)
		w.Markup("\n")
	}
	w.Markup(`    </tbody>
  </table></div>
</section>
`)
}

func writeTextOrDash(w *webpage.Writer, s string) {
	if s == "" {
		w.Markup("–")
		return
	}
	w.Text(s)
}

func writeNumberOrDash(w *webpage.Writer, n int) {
	if n == 0 {
		w.Markup("–")
		return
	}
	w.Number(n)
}

func writeLastRequests(w *webpage.Writer, v *view) {
	w.Markup(`<section class="requests">
  <h2>Last requests</h2>
`)
	if len(v.Requests) > 0 {
		writeRequests(w, "Last requests", v.Requests)
	} else {
		w.Markup(`  <p class="none">None yet. Point an EWS client at `)
		writeURLs(w, v.Listen, " or ")
		w.Markup(webpage.Choose(len(v.Listen) == 0, "this machine's HMA_LISTEN", ""))
		w.Markup(", and it shows here.</p>\n")
	}
	w.Markup("</section>\n")
}

// writeRequests writes a table of requests that have ended.
func writeRequests(w *webpage.Writer, label webpage.Markup, requests []request) {
	w.Markup(`  <div class="scroll" role="region" aria-label="`)
	w.Markup(label)
	w.Markup(`" tabindex="0"><table>
    <thead><tr><th scope="col">Time<th scope="col">Operation<th scope="col">Mailbox<th scope="col">Result<th scope="col" class="n">Status<th scope="col" class="n">Exchange<th scope="col" class="n">Took</thead>
    <tbody>
`)
	for i := range requests {
		writeRequest(w, &requests[i])
	}
	w.Markup(`    </tbody>
  </table></div>
`)
}

func writeRequest(w *webpage.Writer, r *request) {
	w.Markup("    <tr")
	w.Attribute("class", string(r.Outcome))
	w.Markup(`><td class="time"><time`)
	w.Attribute("datetime", r.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	w.Attribute("title", instant(r.Time))
	w.Markup(">")
	w.Text(clock(r.Time))
	w.Markup(`</time>
      <td class="operation">`)
	w.Text(cmp.Or(r.Operation, r.Method))
	w.Markup(`
      <td class="mailbox">`)
	writeTextOrDash(w, r.Mailbox)
	w.Markup(webpage.Choose(r.Injected, " <small>added</small>\n", "\n"))
	writeResult(w, r)
	writeDetails(w, r)
	w.Markup(`      <td class="n status">`)
	writeNumberOrDash(w, r.Status)
	w.Markup(`
      <td class="n upstream">`)
	writeNumberOrDash(w, r.Upstream)
	w.Markup(`
      <td class="n took">`)
	w.Text(took(r.Duration))
	w.Markup("\n")
}

func writeResult(w *webpage.Writer, r *request) {
	w.Markup(`      <td class="result"><b>`)
	switch {
	case r.Reason != proxy.ReasonNone:
		w.Text(r.Reason.String())
	case r.Fault != "":
		w.Text(r.Fault)
	case r.Audit != proxy.ReasonNone:
		w.Text(r.Audit.String())
		w.Markup(" (audit)")
	default:
		w.Text(string(r.Outcome))
	}
	w.Markup("</b>")
	w.Markup(webpage.Choose(r.Replayed, " <small>replayed</small>", ""))
	w.Markup(webpage.Choose(r.Aborted, " <small>cut</small>", ""))
	if r.Detail != "" {
		w.Markup(" <small>")
		w.Text(r.Detail)
		w.Markup("</small>")
	}
	w.Markup("\n")
}

// writeDetails writes the details for which the table has no column.
func writeDetails(w *webpage.Writer, r *request) {
	w.Markup(`        <details><summary>more</summary><dl>
`)
	writeTerm(w, "Request")
	w.Code(r.ID)
	w.Markup("\n")
	writeTerm(w, "At")
	w.Text(instant(r.Time))
	w.Markup("\n")
	writeTerm(w, "From")
	w.Text(r.Remote)
	if r.Client != "" {
		w.Markup(", client ")
		w.Text(r.Client)
	}
	w.Markup("\n")
	writeText(w, "User agent", r.Product)
	writeText(w, "Asked for", string(r.Asked))
	writeText(w, "Front end", r.FrontEnd)
	writeCode(w, "At Exchange", r.RequestID)
	writeText(w, "Fault", r.Fault)
	if r.BackOff != 0 {
		writeTerm(w, "Back-off")
		w.Text(took(r.BackOff))
		w.Markup("\n")
	}
	writeText(w, "Error", r.Error)
	writeText(w, "Remedy", r.Remedy)
	w.Markup("        </dl></details>\n")
}
