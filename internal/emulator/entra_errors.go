package emulator

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A refusal is an error of Entra. Codes, names and texts come from its
// documentation and from traces in public issue trackers. The HTTP status of a code
// is documented only in part.
type refusal struct {
	code   int
	status int
	name   string // OAuth's "error"
	text   string
}

func (f *refusal) Error() string { return fmt.Sprintf("AADSTS%d: %s", f.code, f.text) }

// refusalOf returns the status and OAuth error of a code. An empty text means the
// default text of the code. An unknown code, as a test may choose, gets a generic
// refusal.
func refusalOf(code int, text string) *refusal {
	known, ok := map[int]refusal{
		50013:   {status: 400, name: "invalid_grant", text: "Assertion failed signature validation."},
		50027:   {status: 401, name: "invalid_client", text: "JWT token is invalid or malformed."},
		50034:   {status: 400, name: "invalid_grant", text: "The user account does not exist in the directory."},
		50196:   {status: 400, name: "invalid_request", text: "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."},
		501051:  {status: 400, name: "invalid_grant", text: "The application is not assigned to a role for the resource."},
		53003:   {status: 400, name: "invalid_grant", text: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
		65001:   {status: 400, name: "invalid_grant", text: "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource."},
		70003:   {status: 400, name: "unsupported_grant_type", text: "The app requested an unsupported grant type."},
		70011:   {status: 400, name: "invalid_scope", text: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."},
		700211:  {status: 401, name: "invalid_client", text: "No matching federated identity record found for presented assertion issuer."},
		700212:  {status: 401, name: "invalid_client", text: "No matching federated identity record found for presented assertion audience."},
		700213:  {status: 401, name: "invalid_client", text: "No matching federated identity record found for presented assertion subject."},
		90002:   {status: 400, name: "invalid_request", text: "Tenant not found."},
		90014:   {status: 400, name: "invalid_request", text: "The required field is missing from the credential."},
		90033:   {status: 503, name: "temporarily_unavailable", text: "A transient error has occurred. Please try again."},
		90055:   {status: 429, name: "temporarily_unavailable", text: "There are too many requests for this tenant. Please try again."},
		500011:  {status: 400, name: "invalid_resource", text: "The resource principal was not found in the tenant."},
		700016:  {status: 400, name: "unauthorized_client", text: "Application was not found in the directory."},
		700021:  {status: 401, name: "invalid_client", text: "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."},
		700022:  {status: 400, name: "invalid_scope", text: "The provided value for the input parameter 'scope' isn't valid because it contains more than one resource."},
		700023:  {status: 401, name: "invalid_client", text: "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."},
		700024:  {status: 401, name: "invalid_client", text: "Client assertion is not within its valid time range."},
		700027:  {status: 401, name: "invalid_client", text: "The certificate with identifier used to sign the client assertion is not registered on application."},
		700030:  {status: 401, name: "invalid_client", text: "Invalid certificate - subject name in certificate is not authorized."},
		900144:  {status: 400, name: "invalid_request", text: "The request body must contain the required parameters."},
		1002012: {status: 400, name: "invalid_scope", text: "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
		7000112: {status: 400, name: "unauthorized_client", text: "Application is disabled."},
		7000214: {status: 401, name: "invalid_client", text: "Certificate has been revoked."},
		7000215: {status: 401, name: "invalid_client", text: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."},
		7000218: {status: 401, name: "invalid_client", text: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
		7000222: {status: 401, name: "invalid_client", text: "The provided client secret keys are expired. Visit the Azure portal to create new keys for your app, or consider using certificate credentials for added security."},
		1000502: {status: 401, name: "invalid_client", text: "The provided certificate is not within its specified validity window."},
		9001023: {status: 400, name: "invalid_request", text: "The grant type isn't supported over the /common or /consumers endpoints. Use the /organizations or tenant-specific endpoint."},
	}[code]
	if !ok {
		known = refusal{status: 400, name: "invalid_request", text: "An error on order."}
	}
	if text != "" {
		known.text = text
	}
	known.code = code
	return &known
}

func tenantNotFound(tenant string) *refusal {
	return refusalOf(90002, fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", tenant))
}

// refuse writes an error as Entra does.
func (n *Entra) refuse(w http.ResponseWriter, r *http.Request, rec *record, f *refusal) {
	rec.note(func(h *Hop) { h.AADSTS = f.code })
	trace, correlation := w.Header().Get("x-ms-request-id"), r.Header.Get("client-request-id")
	if correlation == "" {
		correlation = newGUID()
	}
	stamp := n.now().UTC().Format("2006-01-02 15:04:05Z")
	w.Header().Set("x-ms-ests-server", "2.1.0 - emulator")
	writeJSON(w, f.status, map[string]any{
		"error":             f.name,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s", f.Error(), trace, correlation, stamp),
		"error_codes":       []int{f.code},
		"timestamp":         stamp,
		"trace_id":          trace,
		"correlation_id":    correlation,
		"error_uri":         self(r) + "/error?code=" + strconv.Itoa(f.code),
	})
}

// newGUID returns a random UUID.
func newGUID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// assertionTime formats an instant as Entra's texts do.
func assertionTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
