package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // for the style sheet
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/webpage"
)

//go:embed report.css
var reportCSS webpage.Markup

// maxTableRows limits the rows of each table, so that a browser can show the
// page.
const maxTableRows = 1000

// A pageWriter collects the web page.
type pageWriter struct {
	webpage.Writer
	r *Report
}

// WriteHTML writes the report as a web page. The page has no script and loads
// nothing. Its Content-Security-Policy forbids scripts and loading.
func WriteHTML(w io.Writer, r *Report) error {
	p := &pageWriter{r: r}
	p.head()
	p.header()
	p.Markup("<main>\n")
	p.notes()
	p.charts()
	p.cards()
	p.clients()
	p.operations()
	p.mailboxes()
	p.problems()
	if r.Suggestion != nil {
		p.suggestion()
	}
	if r.Graph != nil {
		p.graph()
	}
	p.Markup("</main>\n<footer>hmaproxy ")
	p.Text(r.Version)
	p.Markup("</footer>\n</html>\n")
	_, err := w.Write(p.Bytes())
	return err
}

func (p *pageWriter) head() {
	css := webpage.CSS() + reportCSS
	sum := sha256.Sum256([]byte(css))
	p.Markup(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"`)
	p.Attribute("content", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; base-uri 'none'; form-action 'none'")
	p.Markup(`>
<title>hmaproxy report</title>
<style>`)
	p.Markup(css)
	p.Markup("</style>\n")
}

func (p *pageWriter) header() {
	p.Markup("<header>\n  <h1>hmaproxy report</h1>\n  <p class=\"where\">")
	p.Text(p.r.spanText())
	p.Markup("</p>\n  <p class=\"meta\">")
	p.Text(printable.Short(strings.Join(p.r.Files, ", "), 200))
	p.Markup("</p>\n</header>\n")
}

func (p *pageWriter) notes() {
	if len(p.r.Notes) == 0 {
		return
	}
	p.Markup("<section class=\"notes\" aria-label=\"What the report cannot show\">\n  <ul class=\"note warn\">\n")
	for _, note := range p.r.Notes {
		p.Markup("    <li>")
		p.Text(note)
		p.Markup("\n")
	}
	p.Markup("  </ul>\n</section>\n")
}

func (p *pageWriter) charts() {
	p.Markup("<section class=\"charts\">\n")
	c := timeChart(p.r)
	p.chart("Requests over time", "each column is "+c.column, &c, c.first, c.last)
	c = hourChart(p.r)
	p.chart("Requests by hour of the day", "", &c, "0:00", "24:00")
	p.Markup("</section>\n")
}

func (p *pageWriter) chart(title webpage.Markup, about string, c *chart, first, last string) {
	p.Markup("  <figure>\n    <figcaption><b>")
	p.Markup(title)
	p.Markup("</b>")
	if len(c.bars) > 0 && about != "" {
		p.Markup(" <small>")
		p.Text(about)
		p.Markup("</small>")
	}
	for i, o := range outcome.All() {
		if c.sums[i] == 0 {
			continue
		}
		p.Markup(`<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true"><rect`)
		p.Attribute("class", string(o))
		p.Markup(` width="10" height="10"/></svg>`)
		p.Text(string(o) + " " + printable.Number(c.sums[i]))
		p.Markup("</span>")
	}
	p.Markup(`</figcaption>
    <div class="plot">
      <div class="scale" aria-hidden="true"><i>`)
	p.Text(printable.Number(c.top))
	p.Markup(`</i><i>0</i></div>
      <svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="`)
	p.Markup(title)
	p.Markup(`, by outcome">
        <path class="grid" d="M0 0H600M0 50H600M0 100H600"/>
`)
	for _, b := range slices.Concat(c.gaps, c.bars) {
		p.Bar(b)
	}
	p.Markup("      </svg>\n    </div>\n    <p class=\"axis\" aria-hidden=\"true\"><span>")
	p.Text(first)
	p.Markup("</span><span>")
	p.Text(last)
	p.Markup("</span></p>\n  </figure>\n")
}

// term writes an entry of a definition list: a term and its text.
func (p *pageWriter) term(term webpage.Markup, text string) {
	p.Markup("      <dt>")
	p.Markup(term)
	p.Markup("<dd>")
	p.Text(text)
	p.Markup("\n")
}

func (p *pageWriter) cards() {
	r := p.r
	p.Markup("<section class=\"cards\">\n  <article>\n    <h2>Requests</h2>\n    <dl>\n")
	p.term("All", printable.Number(r.Total.Requests))
	for _, o := range r.Total.outcomes() {
		if o.n > 0 {
			p.Markup("      <dt>")
			p.Text(o.name)
			p.Markup("<dd>")
			p.Text(printable.Number(o.n) + " (" + printable.Share(o.n, r.Total.Requests) + ")")
			p.Markup("\n")
		}
	}
	p.Markup("    </dl>\n  </article>\n  <article>\n    <h2>Size and duration</h2>\n    <dl>\n")
	p.term("Received", printable.Bytes(r.Total.BytesIn))
	p.term("Sent", printable.Bytes(r.Total.BytesOut))
	p.term("Median", ms(r.Total.MedianMS))
	p.term("95 % within", ms(r.Total.P95MS))
	p.term("Longest", ms(r.Total.MaxMS))
	p.Markup("    </dl>\n  </article>\n  <article>\n    <h2>Log</h2>\n    <dl>\n")
	p.term("Lines", printable.Number(r.Log.Lines))
	p.term("Requests", printable.Number(r.Log.Requests))
	p.term("Versions", cmp.Or(strings.Join(r.Log.Versions, ", "), "unknown"))
	p.Markup("    </dl>\n  </article>\n  <article>\n    <h2>Span</h2>\n    <dl>\n")
	p.term("First", r.instant(r.Span.First))
	p.term("Last", r.instant(r.Span.Last))
	p.Markup("    </dl>\n    <ul>\n")
	for _, line := range r.pauses() {
		p.Markup("      <li>")
		p.Text(line)
		p.Markup("\n")
	}
	p.Markup("    </ul>\n  </article>\n</section>\n")
}

// A column is a column of a table: its title and its CSS class.
type column struct{ title, class webpage.Markup }

// table writes a section with a table of n rows. cells returns the texts of
// row i.
func (p *pageWriter) table(title webpage.Markup, n int, columns []column, cells func(i int) []string) {
	p.Markup("<section class=\"requests\">\n  <h2>")
	p.Markup(title)
	p.Markup(" <small>")
	p.Text(printable.Number(int64(n)))
	p.Markup("</small></h2>\n")
	p.rows(title, n, columns, cells)
	p.Markup("</section>\n")
}

func (p *pageWriter) rows(title webpage.Markup, n int, columns []column, cells func(i int) []string) {
	if n == 0 {
		p.Markup("  <p class=\"none\">none</p>\n")
		return
	}
	p.Markup(`  <div class="scroll" role="region" tabindex="0" aria-label="`)
	p.Markup(title)
	p.Markup("\"><table>\n    <thead><tr>")
	for _, c := range columns {
		p.Markup(`<th scope="col"`)
		if c.class != "" {
			p.Attribute("class", string(c.class))
		}
		p.Markup(">")
		p.Markup(c.title)
	}
	p.Markup("</thead>\n    <tbody>\n")
	for i := range min(n, maxTableRows) {
		p.Markup("    <tr>")
		for j, text := range cells(i) {
			p.cell(columns[j].class, text)
		}
		p.Markup("\n")
	}
	p.Markup("    </tbody>\n  </table></div>\n")
	if n > maxTableRows {
		p.Markup("  <p class=\"none\">and ")
		p.Text(printable.Number(int64(n - maxTableRows)))
		p.Markup(" more; -csv and -json list all</p>\n")
	}
}

// cell writes a cell. A cell of the class bar contains a number from 0 to 100,
// the length of its bar.
func (p *pageWriter) cell(class webpage.Markup, text string) {
	p.Markup("<td")
	if class != "" {
		p.Attribute("class", string(class))
	}
	p.Markup(">")
	if class != "bar" {
		p.Text(text)
		return
	}
	p.Markup(`<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect height="10"`)
	p.Attribute("width", text)
	p.Markup("/></svg>")
}

// barOf returns the length of the bar for the number n, from 0 to 100. most is
// the greatest number, whose bar has the length 100.
func barOf(n, most int64) string { return webpage.Decimal(100 * float64(n) / float64(max(most, 1))) }

func (p *pageWriter) clients() {
	list := p.r.Clients
	p.table("Clients", len(list), []column{{"User", "name"}, {"Program", "name"}, {"Requests", "n"}, {"", "bar"}, {"User’s mailboxes", "n"}, {"Operations", "n"}, {"Received", "n"}, {"Sent", "n"}, {"Other outcomes", "words"}}, func(i int) []string {
		c := &list[i]
		return []string{
			cmp.Or(c.Client, "–"), cmp.Or(c.Product, "–"), printable.Number(c.Requests), barOf(c.Requests, list[0].Requests), printable.Number(int64(c.Mailboxes)),
			printable.Number(int64(len(c.Operations))), printable.Bytes(c.BytesIn), printable.Bytes(c.BytesOut), otherOutcomes(c),
		}
	})
}

func (p *pageWriter) operations() {
	list := p.r.Operations
	p.table("Operations", len(list), []column{{"Operation", "name"}, {"Requests", "n"}, {"", "bar"}, {"Share", "n"}, {"Median", "n"}, {"95 %", "n"}, {"Received", "n"}, {"Sent", "n"}, {"Other outcomes", "words"}}, func(i int) []string {
		o := &list[i]
		return []string{
			operationTitle(o.Name), printable.Number(o.Requests), barOf(o.Requests, list[0].Requests), printable.Share(o.Requests, p.r.Total.Requests), ms(o.MedianMS), ms(o.P95MS),
			printable.Bytes(o.BytesIn), printable.Bytes(o.BytesOut), otherOutcomes(o),
		}
	})
}

func (p *pageWriter) mailboxes() {
	list := p.r.Mailboxes
	p.table("Mailboxes", len(list), []column{{"Mailbox", "name"}, {"Requests", "n"}, {"", "bar"}, {"First", "time"}, {"Last", "time"}, {"Sent", "n"}, {"Other outcomes", "words"}, {"Last fault", "words"}}, func(i int) []string {
		m := &list[i]
		return []string{
			mailboxTitle(m), printable.Number(m.Requests), barOf(m.Requests, list[0].Requests), p.r.day(m.First), p.r.day(m.Last), printable.Bytes(m.BytesOut), otherOutcomes(m), state(m),
		}
	})
}

func (p *pageWriter) problems() {
	list := p.r.Problems
	p.table("Refusals, failures and faults", len(list), []column{{"Kind", "time"}, {"What", "words"}, {"User", "words"}, {"Requests", "n"}, {"Last", "time"}, {"Last mailbox", "name"}, {"Meaning", "words"}}, func(i int) []string {
		f := &list[i]
		user := cmp.Or(f.Client, "–")
		if f.LeftOut {
			user = "(left out of the log)"
		}
		return []string{f.Kind, f.Word, user, printable.Number(f.Count), p.r.instant(f.Last), f.Mailbox, f.Meaning}
	})
}

func (p *pageWriter) suggestion() {
	p.Markup("<section class=\"requests\">\n  <h2>Suggested allow-list</h2>\n" +
		"  <p class=\"lead\">A click selects all of it. Read each entry before you use it, then try it with <code>hmaproxy policy test</code>.</p>\n  <pre class=\"list\">")
	p.Text(p.r.Suggestion.File)
	p.Markup("</pre>\n</section>\n")
}

func (p *pageWriter) graph() {
	g := p.r.Graph
	all := g.Listed + g.Conditional + g.Unlisted
	p.Markup("<section class=\"requests\">\n  <h2>Microsoft Graph</h2>\n  <p class=\"lead\">")
	p.Text(printable.Share(g.Listed, all) + " of the EWS requests have a counterpart, " + printable.Share(g.Conditional, all) +
		" under a condition, " + printable.Share(g.Unlisted, all) + " have none that Microsoft lists.")
	p.Markup("</p>\n")
	for _, caveat := range g.Caveats {
		p.Markup("  <p class=\"lead\">")
		p.Text(caveat)
		p.Markup("</p>\n")
	}
	p.Markup("  <p class=\"lead\"><small>Source: ")
	p.Text(g.Source + ", " + g.URL + ", read on " + g.Read)
	p.Markup("</small></p>\n")
	var rows [][]string
	for i := range p.r.Operations {
		rows = append(rows, graphRows(&p.r.Operations[i])...)
	}
	p.rows("Operations and their counterparts", len(rows), []column{{"Operation", "name"}, {"Requests", "n"}, {"Counterpart", "words"}, {"Reference", "name"}, {"Condition", "words"}}, func(i int) []string { return rows[i] })
	p.rows("Clients and what they use without a counterpart", len(g.Clients), []column{{"User", "name"}, {"Program", "name"}, {"With", "n"}, {"Conditional", "n"}, {"Without", "n"}, {"Operations without", "words"}}, func(i int) []string {
		c := &g.Clients[i]
		return []string{
			cmp.Or(c.Client, "–"), cmp.Or(c.Product, "–"), printable.Number(c.Listed), printable.Number(c.Conditional), printable.Number(c.Unlisted),
			cmp.Or(strings.Join(c.Missing, " "), "none"),
		}
	})
	p.Markup("</section>\n")
}
