package autodiscover

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strconv"
	"time"
)

// A Result is the part of a response about one mailbox.
type Result struct {
	Address string // the address to return; "" if Refusal is set
	Refusal string // human-readable text why the mailbox is not found; "" if it is found
}

// serverVersion is the version of an Exchange Server 2019. The EWS Managed API
// and ews-javascript-api fail without a version.
const serverVersion = `<h:ServerVersionInfo xmlns:h="` + soapNS + `"><h:MajorVersion>15</h:MajorVersion><h:MinorVersion>2</h:MinorVersion>` +
	`<h:MajorBuildNumber>2562</h:MajorBuildNumber><h:MinorBuildNumber>17</h:MinorBuildNumber><h:Version>Exchange2015</h:Version></h:ServerVersionInfo>`

const declaration = `<?xml version="1.0" encoding="utf-8"?>`

// Exchange's texts for a mailbox that it does not find.
const (
	notFound     = "The email address can't be found."
	notFoundJSON = "The given user is not found"
)

// WriteSOAP returns the response to a SOAP request. It contains one
// UserResponse with the requested settings for each result, in the order of
// results.
func WriteSOAP(requested Settings, results []Result, ewsURL string) string {
	var b bytes.Buffer
	b.WriteString(declaration + `<s:Envelope xmlns:s="` + envelopeNS + `"><s:Header>` + serverVersion + `</s:Header><s:Body>` +
		`<GetUserSettingsResponseMessage xmlns="` + soapNS + `"><Response xmlns:i="` + instanceNS + `">` +
		`<ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses>`)
	for _, result := range results {
		writeUser(&b, requested, result, ewsURL)
	}
	b.WriteString(`</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>`)
	return b.String()
}

func writeUser(b *bytes.Buffer, requested Settings, result Result, ewsURL string) {
	code, message := "NoError", "No error."
	if result.Refusal != "" {
		code, message, requested = "InvalidUser", notFound+" ("+result.Refusal+")", 0
	}
	b.WriteString(`<UserResponse><ErrorCode>` + code + `</ErrorCode><ErrorMessage>`)
	writeText(b, message)
	b.WriteString(`</ErrorMessage><RedirectTarget i:nil="true"/><UserSettingErrors/><UserSettings>`)
	for _, known := range settingNames {
		if requested&known.setting == 0 {
			continue
		}
		value := ewsURL
		if known.setting == UserDisplayName || known.setting == AutoDiscoverSMTPAddress {
			value = result.Address
		}
		b.WriteString(`<UserSetting i:type="StringSetting"><Name>` + known.name + `</Name><Value>`)
		writeText(b, value)
		b.WriteString(`</Value></UserSetting>`)
	}
	b.WriteString(`</UserSettings></UserResponse>`)
}

// writeText writes escaped text.
func writeText(b *bytes.Buffer, text string) {
	_ = xml.EscapeText(b, []byte(text)) // a Buffer returns no error
}

// Codes of POX errors, from MS-OXDSCLI and MS-ASCMD, section 2.2.3.64.
const (
	poxNotFound = 500
	poxInvalid  = 600
	poxSchema   = 601
)

// WritePOX returns the response to a POX request. at is the time that the
// response contains if it is an error.
func WritePOX(result Result, ewsURL string, at time.Time) string {
	if result.Refusal != "" {
		return poxError(poxNotFound, notFound, result.Refusal, at)
	}
	var b bytes.Buffer
	b.WriteString(declaration + `<Autodiscover xmlns="` + poxNS + `"><Response xmlns="` + poxResponseNS + `"><User><DisplayName>`)
	writeText(&b, result.Address)
	b.WriteString(`</DisplayName><AutoDiscoverSMTPAddress>`)
	writeText(&b, result.Address)
	b.WriteString(`</AutoDiscoverSMTPAddress></User><Account><AccountType>email</AccountType><Action>settings</Action>`)
	for _, kind := range [...]string{"EXCH", "EXPR"} { // EXCH is for internal clients, EXPR is for external clients
		b.WriteString(`<Protocol><Type>` + kind + `</Type><EwsUrl>`)
		writeText(&b, ewsURL)
		b.WriteString(`</EwsUrl><ASUrl>`)
		writeText(&b, ewsURL)
		b.WriteString(`</ASUrl></Protocol>`)
	}
	b.WriteString(`</Account></Response></Autodiscover>`)
	return b.String()
}

// WritePOXError returns the response to a POX request that is refused because
// of err. ErrSchema has its own error code; for any other error the code says
// that the request is invalid. detail is a human-readable text.
func WritePOXError(err error, detail string, at time.Time) string {
	if err == ErrSchema {
		return poxError(poxSchema, "Provider is not available", detail, at)
	}
	return poxError(poxInvalid, "Invalid Request", detail, at)
}

func poxError(code int, message, detail string, at time.Time) string {
	var b bytes.Buffer
	b.WriteString(declaration + `<Autodiscover xmlns="` + poxNS + `"><Response><Error Time="` + at.UTC().Format("15:04:05.0000000") + `" Id="1">` +
		`<ErrorCode>` + strconv.Itoa(code) + `</ErrorCode><Message>`)
	writeText(&b, message)
	b.WriteString(`</Message><DebugData>`)
	writeText(&b, detail)
	b.WriteString(`</DebugData></Error></Response></Autodiscover>`)
	return b.String()
}

// WriteJSON returns the response to a JSON request for a mailbox that is found.
func WriteJSON(ewsURL string) string {
	return writeJSON(struct{ Protocol, Url string }{"EWS", ewsURL})
}

// WriteJSONError returns the response to a JSON request that is not served
// because of err, an error of ParseJSON. A nil err means that the mailbox is
// not found. detail is a human-readable text.
func WriteJSONError(err error, detail string) string {
	response := struct{ ErrorCode, ErrorMessage string }{"InvalidRequest", detail}
	switch err {
	case nil:
		response.ErrorCode, response.ErrorMessage = "UserNotFound", notFoundJSON+" ("+detail+")"
	case ErrEmail, ErrNoProtocol:
		response.ErrorCode = "MandatoryParameterMissing"
	case ErrProtocol:
		response.ErrorCode = "InvalidProtocol"
	}
	return writeJSON(response)
}

func writeJSON(response any) string {
	text, _ := json.Marshal(response) // cannot fail, because response contains only strings
	return string(text)
}
