package entra

import (
	"fmt"
	"time"
)

// A refusal is an error of Entra. Codes, names and texts come from its
// documentation and from traces in public issue trackers. The HTTP status of a code
// is documented only in part.
type refusal struct {
	code   int
	status int
	name   string // OAuth error code, such as "invalid_client"
	text   string
}

func (f *refusal) Error() string { return fmt.Sprintf("AADSTS%d: %s", f.code, f.text) }

// refusalOf returns the refusal with an AADSTS code, which determines the status
// and the OAuth error. An empty text means the default text of the code. For an
// unknown code, which a test may inject, it returns a generic refusal.
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

// assertionTime formats an instant as Entra's texts do.
func assertionTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
