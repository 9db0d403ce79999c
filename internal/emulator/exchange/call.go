package exchange

import (
	"fmt"
	"net/http"
	"strings"

	"hmaproxy/internal/emulator/service"
)

// A call is a running operation.
type call struct {
	x             *Exchange
	store         *Store
	r             *http.Request
	user          *mailbox // the impersonated mailbox
	op            *node
	backEnd       string
	offerAffinity bool
}

// A response is a function that writes the response to a call. It is called
// after the whole request was read.
type response func(http.ResponseWriter)

// operations returns the implemented operations, by the local name of the
// Body's element. The operations run under the lock of the store; the responses
// that they return do not.
func operations() map[string]func(*call) response {
	return map[string]func(*call) response{
		"ConvertId":                  convertID,
		"CopyItem":                   copyItem,
		"CreateAttachment":           createAttachment,
		"CreateFolder":               createFolder,
		"CreateItem":                 createItem,
		"DeleteAttachment":           deleteAttachment,
		"DeleteFolder":               deleteFolder,
		"DeleteItem":                 deleteItem,
		"ExpandDL":                   expandDL,
		"FindFolder":                 findFolder,
		"FindItem":                   findItem,
		"GetAttachment":              getAttachment,
		"GetEvents":                  getEvents,
		"GetFolder":                  getFolder,
		"GetItem":                    getItem,
		"GetServerTimeZones":         getServerTimeZones,
		"GetStreamingEvents":         getStreamingEvents,
		"GetUserAvailabilityRequest": getUserAvailability,
		"GetUserOofSettingsRequest":  getUserOofSettings,
		"MoveFolder":                 moveFolder,
		"MoveItem":                   moveItem,
		"ResolveNames":               resolveNames,
		"SendItem":                   sendItem,
		"Subscribe":                  subscribe,
		"SyncFolderHierarchy":        syncFolderHierarchy,
		"SyncFolderItems":            syncFolderItems,
		"Unsubscribe":                unsubscribe,
		"UpdateFolder":               updateFolder,
		"UpdateItem":                 updateItem,
	}
}

// run executes the operation and returns its response. If f, the fault of the SOAP
// header, is not nil, or if the operation is unknown, run executes nothing and
// returns a fault.
func (c *call) run(f *fault, rec *service.Record) response {
	operation := operations()[c.op.name.Local]
	if operation == nil || c.op.name.Space != nsMessages {
		f = &fault{code: "ErrorInvalidRequest", text: fmt.Sprintf("The operation '%s' is not known.", c.op.name.Local)}
	}
	if f != nil {
		return f.write
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.executed[c.op.name.Local]++
	rec.Note(func(h *service.Hop) { h.Executed = true })
	return operation(c)
}

// resolve returns the folder of a FolderId or DistinguishedFolderId if the user may
// open it.
func (c *call) resolve(id *node) (*folder, *result) {
	owner, name := c.user, ""
	switch id.name.Local {
	case "DistinguishedFolderId":
		name = strings.ToLower(id.attribute("", "Id"))
		if address := id.value("Mailbox", "EmailAddress"); address != "" {
			owner = c.store.byAddress(address)
		}
	case "FolderId":
		if parts := parseID(id.attribute("", "Id")); len(parts) == 3 && parts[0] == "F" {
			owner, name = c.store.byGUID(parts[1]), parts[2]
		} else {
			r := failed("ErrorInvalidIdMalformed", "Id is malformed.")
			return nil, &r
		}
	default:
		r := failed("ErrorInvalidRequest", "The request is invalid.")
		return nil, &r
	}
	if owner == nil {
		r := failed("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
		return nil, &r
	}
	return c.open(owner, name)
}

func (c *call) open(owner *mailbox, name string) (*folder, *result) {
	if !c.mayOpen(owner) {
		r := denied()
		return nil, &r
	}
	for _, f := range owner.folders {
		if f.name == name {
			return f, nil
		}
	}
	r := failed("ErrorFolderNotFound", "The specified folder could not be found in the store.")
	return nil, &r
}

// mayOpen reports whether the impersonated user has access to the mailbox owner.
// The application's own permission only allows the impersonation.
func (c *call) mayOpen(owner *mailbox) bool {
	return owner == c.user || c.store.grants[[2]string{strings.ToLower(c.user.Primary), strings.ToLower(owner.Primary)}]
}

// item returns the item of an ItemId if the user may open it.
func (c *call) item(id *node) (*item, *result) {
	parts := parseID(id.attribute("", "Id"))
	if id == nil || len(parts) != 3 || parts[0] != "I" {
		r := failed("ErrorInvalidIdMalformed", "Id is malformed.")
		return nil, &r
	}
	owner := c.store.byGUID(parts[1])
	if owner == nil || owner.items[id.attribute("", "Id")] == nil {
		r := failed("ErrorItemNotFound", "The specified object was not found in the store.")
		return nil, &r
	}
	if !c.mayOpen(owner) {
		r := denied()
		return nil, &r
	}
	return owner.items[id.attribute("", "Id")], nil
}

// eachItem calls a function for every item in ItemIds.
func (c *call) eachItem(operation string, do func(*item) result) response {
	var results []result
	for _, id := range c.op.children("ItemIds") {
		i, bad := c.item(id)
		if bad == nil {
			r := do(i)
			bad = &r
		}
		results = append(results, *bad)
	}
	return replies(operation, results)
}

// eachOwnFolder calls a function for every folder in FolderIds. Like Exchange,
// it does not change distinguished folders.
func (c *call) eachOwnFolder(operation string, do func(*folder) result) response {
	var results []result
	for _, id := range c.op.children("FolderIds") {
		f, bad := c.resolve(id)
		if bad == nil && f.above == nil {
			bad = &result{code: "ErrorDeleteDistinguishedFolder", text: "Distinguished folders cannot be deleted."}
		}
		if bad == nil {
			r := do(f)
			bad = &r
		}
		results = append(results, *bad)
	}
	return replies(operation, results)
}

// target returns the folder of ToFolderId.
func (c *call) target() (*folder, *result) {
	if ids := c.op.children("ToFolderId"); len(ids) > 0 {
		return c.resolve(ids[0])
	}
	return nil, &result{code: "ErrorInvalidRequest", text: "The request is invalid."}
}

// destination returns the folder for a new item: the folder in SavedItemFolderId,
// or else the default folder for items of the class. If send is true, the default
// folder for messages is Sent Items, otherwise Drafts.
func (c *call) destination(class string, send bool) (*folder, *result) {
	if ids := c.op.children("SavedItemFolderId"); len(ids) > 0 {
		return c.resolve(ids[0])
	}
	name := map[string]string{"CalendarItem": "calendar", "Contact": "contacts", "Task": "tasks"}[class]
	switch {
	case name != "":
	case send:
		name = "sentitems"
	default:
		name = "drafts"
	}
	return c.open(c.user, name)
}

// The method shape returns the shape that ItemShape requests.
func (c *call) shape() shape {
	n := c.op.find("ItemShape")
	return shape{
		base: n.value("BaseShape"),
		more: n.children("AdditionalProperties"),
		find: c.op.name.Local == "FindItem",
		mime: n.value("IncludeMimeContent") == "true",
	}
}

// withAffinity adds the cookie for this back end to the response, if the client
// asked for affinity and has no such cookie yet.
func (c *call) withAffinity(write response) response {
	if !c.offerAffinity {
		return write
	}
	cookie := fmt.Sprintf("X-BackEndOverrideCookie=%s.%s~1941996295; path=/; secure; HttpOnly", c.backEnd, c.x.config.Domain)
	return func(w http.ResponseWriter) {
		w.Header().Add("Set-Cookie", cookie)
		write(w)
	}
}

// subscription returns the streaming subscription with the id, or the pull
// subscription if streaming is false. It returns nil if there is no such
// subscription on the back end that received the request.
func (c *call) subscription(id string, streaming bool) *subscription {
	s := c.store.subscriptions[sameSubscription(id)]
	if s == nil || s.backEnd != c.backEnd || s.streaming != streaming {
		return nil
	}
	return s
}
