package token

// Explain says what an AADSTS code means for an app-only token and how to
// resolve the problem; ok is false for a code that this package does not know.
func Explain(aadsts int) (meaning, remedy string, ok bool) {
	for _, row := range explanations {
		for _, code := range row.codes {
			if code == aadsts {
				return row.meaning, row.remedy, true
			}
		}
	}
	return "", "", false
}

// classOf returns the class of a known AADSTS code, "" for other codes.
func classOf(aadsts int) Class {
	for _, row := range explanations {
		for _, code := range row.codes {
			if code == aadsts {
				return row.class
			}
		}
	}
	return ""
}

type explanation struct {
	codes           []int
	class           Class
	meaning, remedy string
}

// Microsoft warns that codes and their texts change. The codes are used only
// for hints, and to distinguish errors that have the same name in OAuth.
// Source: "Microsoft Entra authentication and authorization error codes".
var explanations = [...]explanation{
	// Errors of the certificate or the assertion. Another version of the
	// certificate may work.
	{[]int{700027}, Certificate,
		"the assertion's signature was not accepted: its certificate is not registered on the application",
		"upload the public half of the certificate to the app registration (Certificates & secrets) and compare the thumbprints; a new upload may take some minutes to be known everywhere"},
	{[]int{700024}, Certificate,
		"the assertion is not within its valid time range",
		"set this machine's clock: it differs from Entra's"},
	{[]int{7000214}, Certificate,
		"the certificate has been revoked",
		"create a new version of the certificate and register it on the application"},
	{[]int{1000502}, Certificate,
		"the certificate is outside its validity period",
		"renew the certificate and register the new version on the application; if its dates are right, set this machine's clock"},

	// Temporary errors: they may end although nobody changes anything.
	{[]int{90055, 50033, 90006, 90033, 90090}, Transient,
		"Entra is busy or had a passing fault",
		"wait: it is tried again by itself"},
	{[]int{50196}, Transient,
		"Entra saw too many equal requests from this application",
		"look for another program, or many instances, that request tokens with this application id in a loop"},

	// Errors of the resource.
	{[]int{500011, 50001}, Configuration,
		"the resource is not known in the tenant, or is disabled there",
		"register the EWS URL's scheme and host, with and without a trailing slash, as service principal names of Office 365 Exchange Online (00000002-0000-0ff1-ce00-000000000000); check the tenant id and the spelling of the resource"},
	{[]int{650057, 65005, 650056}, Configuration,
		"the application does not ask for permissions of this resource",
		"add the application permission full_access_as_app of Office 365 Exchange Online to the app registration and grant admin consent"},
	{[]int{501051, 65001}, Configuration,
		"the application has no role at the resource: consent was not granted",
		"grant admin consent for the application permission full_access_as_app of Office 365 Exchange Online"},
	{[]int{70011, 28002, 700022, 700023, 1002012}, Configuration,
		"the requested scope is not valid",
		"the resource must be exactly one, written as it is registered: the scope is the resource followed by /.default"},

	// Errors of the application.
	{[]int{700016}, Configuration,
		"the application was not found in the tenant",
		"check the application id and the tenant id; the application needs a service principal (enterprise application) in that tenant"},
	{[]int{7000112, 70001}, Configuration,
		"the application is disabled",
		"enable sign-in for the enterprise application in the Entra portal"},
	{[]int{700030}, Configuration,
		"the certificate's subject is not authorised for the application",
		"correct the trusted certificate subjects of the application, or register this very certificate"},
	{[]int{50012}, Configuration,
		"the assertion was not accepted: its certificate is not authorised or its time range is wrong",
		"upload the public half of the certificate to the app registration, compare the thumbprints, and check this machine's clock"},
	{[]int{7000215}, Configuration,
		"a client secret was presented and is wrong; often it is the secret's id instead of its value",
		"this application must authenticate with its certificate; for a secret, copy its value"},
	{[]int{7000222}, Configuration,
		"a client secret was presented and has expired",
		"this application must authenticate with its certificate; for a secret, create a new one"},
	{[]int{7000218}, Configuration,
		"the request reached Entra without a client assertion",
		"look for a proxy that alters the request's body"},
	{[]int{700025}, Configuration,
		"the application is a public client and may not present a credential",
		"switch off \"Allow public client flows\" on the app registration"},

	// Errors of a federated credential that replaces the certificate.
	{[]int{700211}, Configuration,
		"no federated credential of the application has the issuer of the assertion",
		"compare the issuer of the federated credential with the cluster's OIDC issuer URL, or with https://login.microsoftonline.com/TENANT/v2.0 for a managed identity; the trailing slash counts"},
	{[]int{700212}, Configuration,
		"no federated credential of the application has the audience of the assertion",
		"the audience of the federated credential must be api://AzureADTokenExchange, as the token's is"},
	{[]int{700213, 70021}, Configuration,
		"no federated credential of the application has the subject of the assertion",
		"the subject is system:serviceaccount:NAMESPACE:NAME of the pod, or the object (principal) id of the managed identity, in this very letter case"},
	{[]int{50013}, Configuration,
		"the signature of the assertion was not accepted: Entra cannot read the issuer's keys, or they are others",
		"the issuer's /.well-known/openid-configuration and its keys must be readable from the internet"},

	// Errors of the tenant and the cloud.
	{[]int{90002, 50059, 50128, 9001023}, Configuration,
		"the tenant was not found, or none was named",
		"check the tenant id and that the authority belongs to the tenant's cloud"},
	{[]int{90038, 900382, 900432}, Configuration,
		"the tenant lives in another national cloud",
		"set the authority to that cloud's, such as https://login.microsoftonline.us or https://login.partner.microsoftonline.cn"},
	{[]int{53003, 530032}, Configuration,
		"a Conditional Access policy blocks the application",
		"exclude the service principal from the policy for workload identities, or add this machine's public address to its named locations"},
	{[]int{50034}, Configuration,
		"a user account was looked for and not found, which an application never needs",
		"check the tenant id and that the application id is not a user's"},
}
