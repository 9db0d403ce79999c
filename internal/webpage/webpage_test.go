package webpage

import (
	"encoding/xml"
	"testing"
)

// TestDataCannotBecomeMarkup writes data with each character that has a meaning in
// HTML. A parser must return the same data.
func TestDataCannotBecomeMarkup(t *testing.T) {
	const data = `<script>alert("x")</script> & 'y' &lt; ]]> <!--`
	var w Writer
	w.Markup("<a")
	w.Attribute("title", data)
	w.Markup("><b>")
	w.Text(data)
	w.Markup("</b>")
	w.Code(data)
	w.Markup("<i>")
	w.Number(-12)
	w.Markup("</i></a>")
	var got struct {
		Title string `xml:"title,attr"`
		Text  string `xml:"b"`
		Code  string `xml:"code"`
		N     int    `xml:"i"`
	}
	if err := xml.Unmarshal(w.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Bytes())
	}
	if got.Title != data || got.Text != data || got.Code != data || got.N != -12 {
		t.Errorf("%+v in %s", got, w.Bytes())
	}
}

func TestBar(t *testing.T) {
	var w Writer
	w.Bar(Bar{X: 1, Y: 2.25, W: 3.06, H: 0.04, Class: "served", Title: `8:00 <b>`})
	var got struct {
		Class      string `xml:"class,attr"`
		X          string `xml:"x,attr"`
		Y          string `xml:"y,attr"`
		W          string `xml:"width,attr"`
		H          string `xml:"height,attr"`
		Title      string `xml:"title"`
		Everything string `xml:",innerxml"`
	}
	if err := xml.Unmarshal(w.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Bytes())
	}
	if got.Class != "served" || got.X != "1.0" || got.Y != "2.2" || got.W != "3.1" || got.H != "0.0" || got.Title != `8:00 <b>` {
		t.Errorf("%+v", got)
	}
}
