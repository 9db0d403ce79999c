package autodiscover

import "encoding/xml"

// A Form is the form of a request and its response.
type Form uint8

// The forms. NoForm is the zero value.
const (
	NoForm Form = iota
	SOAP        // MS-OXWSADISC
	POX         // MS-OXDSCLI
	JSON        // Autodiscover version 2
)

// String returns "SOAP", "POX" or "JSON", and "" for NoForm.
func (f Form) String() string {
	return [...]string{NoForm: "", SOAP: "SOAP", POX: "POX", JSON: "JSON"}[f]
}

// MaxUsers is the largest number of mailboxes in a SOAP request. Exchange has
// the same limit.
const MaxUsers = 100

// A Request is the content of an Autodiscover request.
type Request struct {
	Form      Form
	Mailboxes []string // mailboxes as the client wrote them, without surrounding white space: 1 to MaxUsers in SOAP, else one
	Settings  Settings // SOAP: the settings to return
}

// Settings is a set of user settings of MS-OXWSADISC that a response can
// contain.
type Settings uint8

// The settings, in the order of a response.
const (
	UserDisplayName Settings = 1 << iota
	AutoDiscoverSMTPAddress
	InternalEwsURL
	ExternalEwsURL
)

// settingNames lists the names of the settings in requests and responses.
var settingNames = [...]struct {
	setting Settings
	name    string
}{
	{UserDisplayName, "UserDisplayName"},
	{AutoDiscoverSMTPAddress, "AutoDiscoverSMTPAddress"},
	{InternalEwsURL, "InternalEwsUrl"},
	{ExternalEwsURL, "ExternalEwsUrl"},
}

// The namespaces of requests and responses. userSettingsName is the name of the
// element in the Body of a SOAP request.
const (
	envelopeNS       = "http://schemas.xmlsoap.org/soap/envelope/"
	soapNS           = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
	instanceNS       = "http://www.w3.org/2001/XMLSchema-instance"
	poxRequestNS     = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	poxResponseNS    = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	poxNS            = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
	mobileRequestNS  = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
	userSettingsName = "GetUserSettingsRequestMessage"
)

// Errors for requests that are valid but not served.
var (
	// ErrOperation is returned for a SOAP request other than GetUserSettings.
	ErrOperation error = &Violation{"the Autodiscover operation is not GetUserSettings"}
	// ErrSchema is returned when a POX request asks for other settings than
	// Outlook's, such as those of Exchange ActiveSync.
	ErrSchema error = &Violation{"only the Outlook schema of 2006a is served"}
)

// Parse reads a SOAP or POX request. The root element says which of the two
// forms the request has. The error is ErrOperation, ErrSchema or another
// *Violation. Even if there is an error, the Form of the Request is set. It is
// NoForm if the document cannot be read or its root element is not known.
func Parse(doc []byte) (Request, error) {
	root, err := parseDocument(doc)
	if err != nil {
		return Request{}, err
	}
	switch root.name {
	case xml.Name{Space: envelopeNS, Local: "Envelope"}:
		return parseSOAP(root)
	case xml.Name{Space: poxRequestNS, Local: "Autodiscover"}:
		return parsePOX(root)
	case xml.Name{Space: mobileRequestNS, Local: "Autodiscover"}:
		return Request{Form: POX}, ErrSchema
	}
	return Request{}, violation("the root element is that of no Autodiscover request")
}

func parseSOAP(root *element) (Request, error) {
	request := Request{Form: SOAP}
	header, body := xml.Name{Space: envelopeNS, Local: "Header"}, xml.Name{Space: envelopeNS, Local: "Body"}
	if err := root.known(header, body); err != nil {
		return request, err
	}
	if root.text != "" {
		return request, violation("text outside the SOAP Body")
	}
	if _, err := root.child(header); err != nil {
		return request, err
	}
	e, err := root.child(body)
	switch {
	case err != nil:
		return request, err
	case e == nil || e.text != "" || len(e.children) != 1:
		return request, violation("the SOAP Body does not contain one element")
	}
	message := &e.children[0]
	if message.name != soapName(userSettingsName) {
		return request, ErrOperation
	}
	return request, request.readMessage(message)
}

func soapName(local string) xml.Name { return xml.Name{Space: soapNS, Local: local} }

// readMessage reads a GetUserSettingsRequestMessage.
func (r *Request) readMessage(message *element) error {
	inner, err := message.onlyChild(soapName("Request"))
	if err != nil {
		return err
	}
	if err := inner.known(soapName("Users"), soapName("RequestedSettings"), soapName("RequestedVersion")); err != nil {
		return err
	}
	users, err := inner.child(soapName("Users"))
	if err != nil {
		return err
	}
	settings, err := inner.child(soapName("RequestedSettings"))
	if err != nil {
		return err
	}
	if users == nil || settings == nil || !users.branch() || !settings.branch() {
		return violation("GetUserSettings needs Users and RequestedSettings")
	}
	if err := r.readUsers(users); err != nil {
		return err
	}
	return r.readSettings(settings)
}

// onlyChild returns the child element of e. It returns an error unless e
// has exactly one child element, with the given name, and neither text nor
// attributes.
func (e *element) onlyChild(name xml.Name) (*element, error) {
	if !e.branch() || len(e.children) != 1 || e.children[0].name != name {
		return nil, violation(e.name.Local + " does not contain one " + name.Local)
	}
	return &e.children[0], nil
}

func (r *Request) readUsers(users *element) error {
	if n := len(users.children); n == 0 || n > MaxUsers {
		return violation("GetUserSettings is for 1 to 100 users")
	}
	if err := users.known(soapName("User")); err != nil {
		return err
	}
	for i := range users.children {
		mailbox, err := users.children[i].onlyChild(soapName("Mailbox"))
		if err != nil {
			return err
		}
		if !mailbox.leaf() {
			return violation("a Mailbox is not the text of an address")
		}
		r.Mailboxes = append(r.Mailboxes, mailbox.text)
	}
	return nil
}

// readSettings records the requested settings. It ignores settings that no
// response contains.
func (r *Request) readSettings(settings *element) error {
	if err := settings.known(soapName("Setting")); err != nil {
		return err
	}
	for i := range settings.children {
		e := &settings.children[i]
		if !e.leaf() {
			return violation("a Setting is not the name of a setting")
		}
		for _, known := range settingNames {
			if e.text == known.name {
				r.Settings |= known.setting
			}
		}
	}
	return nil
}

// parsePOX reads a request in Outlook's schema. If the request has no
// EMailAddress, the mailbox is its LegacyDN. A LegacyDN is not an address, so
// the caller refuses it.
func parsePOX(root *element) (Request, error) {
	request := Request{Form: POX}
	name := func(local string) xml.Name { return xml.Name{Space: poxRequestNS, Local: local} }
	inner, err := root.onlyChild(name("Request"))
	if err != nil {
		return request, err
	}
	if !inner.branch() {
		return request, violation("Request contains text")
	}
	if err := inner.known(name("EMailAddress"), name("LegacyDN"), name("AcceptableResponseSchema")); err != nil {
		return request, err
	}
	found := make(map[string]*element, 3)
	for _, local := range [...]string{"EMailAddress", "LegacyDN", "AcceptableResponseSchema"} {
		e, err := inner.child(name(local))
		if err != nil {
			return request, err
		}
		if e != nil && !e.leaf() {
			return request, violation(local + " is not plain text")
		}
		found[local] = e
	}
	address := found["EMailAddress"]
	if address == nil {
		address = found["LegacyDN"]
	}
	switch schema := found["AcceptableResponseSchema"]; {
	case address == nil || schema == nil:
		return request, violation("Request needs EMailAddress and AcceptableResponseSchema")
	case schema.text != poxResponseNS:
		return request, ErrSchema
	}
	request.Mailboxes = []string{address.text}
	return request, nil
}
