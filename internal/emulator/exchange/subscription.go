package exchange

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A subscription collects the events of some folders. It exists on one back end
// only.
type subscription struct {
	id        string
	backEnd   string
	streaming bool
	folders   map[*folder]bool
	events    []event // events that the client has not fetched
	watermark string  // watermark of the last event that the client has fetched; before the first event, the watermark in the response to Subscribe
}

// An event is a change in a folder.
type event struct{ watermark, text string }

// heartbeat is the interval of the keep-alive documents of a streaming response.
const heartbeat = 45 * time.Second

func watermark(n int) string { return opaqueID("W", strconv.Itoa(n)) }

func subscribe(c *call) response {
	if len(c.op.kids) == 0 || c.op.kids[0].name.Local == "PushSubscriptionRequest" {
		return replies("Subscribe", []result{failed("ErrorInvalidSubscriptionRequest", "The subscription request is not valid; this server does not push.")})
	}
	request := c.op.kids[0]
	s := &subscription{
		id:        subscriptionID(strings.ToLower(c.backEnd), c.user.GUID, uint64(c.store.changes)),
		backEnd:   c.backEnd,
		streaming: request.name.Local == "StreamingSubscriptionRequest",
		folders:   map[*folder]bool{},
		watermark: watermark(c.store.changes),
	}
	if request.attribute("", "SubscribeToAllFolders") == "true" {
		for _, f := range c.user.folders {
			s.folders[f] = true
		}
	}
	for _, id := range request.children("FolderIds") {
		f, bad := c.resolve(id)
		if bad != nil {
			return replies("Subscribe", []result{*bad})
		}
		s.folders[f] = true
	}
	c.store.subscriptions[s.id] = s
	inner := "<m:SubscriptionId>" + s.id + "</m:SubscriptionId>"
	if !s.streaming {
		inner += "<m:Watermark>" + s.watermark + "</m:Watermark>"
	}
	return c.withAffinity(replies("Subscribe", []result{{inner: inner}}))
}

func subscriptionNotFound() result {
	return failed("ErrorSubscriptionNotFound", "The specified subscription was not found.")
}

func unsubscribe(c *call) response {
	s := c.store.subscriptions[sameSubscription(c.op.value("SubscriptionId"))]
	if s == nil || s.backEnd != c.backEnd {
		return replies("Unsubscribe", []result{subscriptionNotFound()})
	}
	delete(c.store.subscriptions, s.id)
	return replies("Unsubscribe", []result{{}})
}

// getEvents returns the events that a pull subscription has collected.
func getEvents(c *call) response {
	s := c.subscription(c.op.value("SubscriptionId"), false)
	if s == nil {
		return replies("GetEvents", []result{subscriptionNotFound()})
	}
	previous := s.watermark
	events := s.take()
	if events == "" {
		events = "<t:StatusEvent><t:Watermark>" + s.watermark + "</t:Watermark></t:StatusEvent>"
	}
	return replies("GetEvents", []result{{inner: "<m:Notification>" + s.head() + "<t:PreviousWatermark>" + previous + "</t:PreviousWatermark><t:MoreEvents>false</t:MoreEvents>" + events + "</m:Notification>"}})
}

func (s *subscription) head() string { return "<t:SubscriptionId>" + s.id + "</t:SubscriptionId>" }

// take removes the events that the client has not fetched, and returns their
// text.
func (s *subscription) take() string {
	var text strings.Builder
	for _, e := range s.events {
		text.WriteString(e.text)
		s.watermark = e.watermark
	}
	s.events = nil
	return text.String()
}

// getStreamingEvents keeps the response open for ConnectionTimeout minutes.
func getStreamingEvents(c *call) response {
	minutes, err := strconv.Atoi(c.op.value("ConnectionTimeout"))
	if err != nil || minutes < 1 || minutes > 30 {
		return (&fault{code: "ErrorInvalidRequest", text: "The ConnectionTimeout must be between 1 and 30 minutes."}).write
	}
	var subs []*subscription
	var missing strings.Builder
	for _, id := range c.op.children("SubscriptionIds") {
		if s := c.subscription(strings.TrimSpace(id.text), true); s != nil {
			subs = append(subs, s)
		} else {
			fmt.Fprintf(&missing, "<m:SubscriptionId>%s</m:SubscriptionId>", esc(id.text))
		}
	}
	if missing.Len() > 0 || len(subs) == 0 {
		r := subscriptionNotFound()
		r.inner = "<m:ErrorSubscriptionIds>" + missing.String() + "</m:ErrorSubscriptionIds>"
		return replies("GetStreamingEvents", []result{r})
	}
	return func(w http.ResponseWriter) { stream(c, w, subs, time.Duration(minutes)*time.Minute) }
}

// stream writes SOAP documents until timeout has passed: the first one
// immediately, further ones when there are events and at every heartbeat.
func stream(c *call, w http.ResponseWriter, subs []*subscription, timeout time.Duration) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	end := time.NewTimer(timeout)
	defer end.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	writeStreaming(w, "<m:ConnectionStatus>OK</m:ConnectionStatus>")
	for {
		c.store.mu.Lock()
		notes, news := takeAll(subs), c.store.news.next()
		c.store.mu.Unlock()
		if notes != "" {
			writeStreaming(w, "<m:Notifications>"+notes+"</m:Notifications>")
		}
		select {
		case <-news:
		case <-beat.C:
			writeStreaming(w, "<m:ConnectionStatus>OK</m:ConnectionStatus>")
		case <-end.C:
			writeStreaming(w, "<m:ConnectionStatus>Closed</m:ConnectionStatus>")
			return
		case <-c.r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-c.x.life.Done():
			panic(http.ErrAbortHandler)
		}
	}
}

func takeAll(subs []*subscription) string {
	var b strings.Builder
	for _, s := range subs {
		if events := s.take(); events != "" {
			b.WriteString("<m:Notification>" + s.head() + events + "</m:Notification>")
		}
	}
	return b.String()
}

// writeStreaming writes a complete document. Unlike other responses, its
// Envelope has no prefix, and its Header and Body have the prefix "soap11".
func writeStreaming(w http.ResponseWriter, inner string) {
	io.WriteString(w, xmlDeclaration+`<Envelope xmlns="`+nsSoap+`"><soap11:Header xmlns:soap11="`+nsSoap+`">`+serverVersion+
		`</soap11:Header><soap11:Body xmlns:soap11="`+nsSoap+`"><m:GetStreamingEventsResponse xmlns:m="`+nsMessages+`" xmlns:t="`+nsTypes+
		`"><m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>`+inner+
		`</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse></soap11:Body></Envelope>`)
	http.NewResponseController(w).Flush()
}
