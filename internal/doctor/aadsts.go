package doctor

import "hmaproxy/token"

// exchangeOnlineApp is the id of the application "Office 365 Exchange Online"
// in every tenant. The URLs of Exchange servers are registered as service
// principal names of this application. fullAccessRole is the id of its
// application permission full_access_as_app.
const (
	exchangeOnlineApp = "00000002-0000-0ff1-ce00-000000000000"
	fullAccessRole    = "dc890d15-9560-4a4c-9b7f-a736ec74ec40"
)

// aadstsRepairs maps AADSTS codes to commands, settings, or steps in the portal.
// {app} is the application that Entra ID refused. The causes come from
// explainAADSTS.
var aadstsRepairs = []codeRule[int]{
	{
		codes: []int{500011, 50001},
		repair: []string{
			"{register-resource}",
			"or: deploy/azure/setup.sh, which registers it among other things",
		},
	},
	{
		codes: []int{650057, 65005, 650056, 501051, 65001},
		repair: []string{
			"az ad app permission add --id {app} --api " + exchangeOnlineApp + " --api-permissions " + fullAccessRole + "=Role",
			"az ad app permission admin-consent --id {app}",
			"portal: App registrations > HMA-App > API permissions > Add > APIs my organization uses > Office 365 Exchange Online > Application permissions > full_access_as_app; then Grant admin consent",
		},
	},
	{
		codes:  []int{700016, 7000229},
		repair: []string{"az ad app show --id {app} --query appId     # is it known?", "az ad sp create --id {app}     # when it has no service principal"},
	},
	{
		codes:  []int{7000112, 70001},
		repair: []string{"az ad sp update --id {app} --set accountEnabled=true", "portal: Enterprise applications > (the application) > Properties > Enabled for users to sign-in: Yes"},
	},
	{
		codes:  []int{700027, 50012, 700030},
		repair: []string{"{register}"},
	},
	{
		codes:  []int{7000214, 1000502},
		repair: []string{"{issue}", "{register}"},
	},
	{
		codes:  []int{700024, 500133, 500137},
		repair: setClock,
	},
	{
		codes:  []int{7000215, 7000222, 7000218},
		repair: []string{"az ad app credential reset --id {app} --append --display-name hmaproxy --query password -o tsv     # prints the new secret's value"},
	},
	{
		codes:  []int{700025},
		repair: []string{"az ad app update --id {app} --is-fallback-public-client false"},
	},
	{
		codes:  []int{70011, 28002, 700022, 700023, 1002012},
		repair: []string{"set HMA_RESOURCE_ID=https://{ews}"},
	},
	{
		codes:  []int{90002, 900023, 50059, 50128, 9001023, 50034},
		repair: []string{"az account show --query tenantId -o tsv     # or portal: Entra ID > Overview > Tenant ID"},
	},
	{
		codes:  []int{90038, 900382, 900432},
		repair: []string{"set HMA_AUTHORITY_HOST to the tenant's cloud: {authorities}"},
	},
	{
		codes:  []int{53003, 530032},
		repair: []string{"portal: Entra ID > Sign-in logs > Service principal sign-ins names the policy; then Protection > Conditional Access > (the policy) > exclude the service principal {app}"},
	},
	{
		codes:  []int{50196},
		repair: []string{"portal: Entra ID > Sign-in logs > Service principal sign-ins, by application {app}"},
	},
	{
		codes:  []int{90055, 50033, 90006, 90033, 90090},
		repair: []string{"try again in some minutes; https://azure.status.microsoft shows known outages"},
	},
}

// codeRepairs returns the repairs for an AADSTS code. If there is at most one,
// it adds remedy, which is the general advice. app is the id of the application
// that was refused.
func codeRepairs(code int, remedy, app string) []string {
	e, _ := explainCode(aadstsRepairs, code)
	var all []string
	for _, line := range e.repair {
		all = append(all, names{"{app}", app}.expand(line))
	}
	if len(all) > 1 {
		return all
	}
	return append(all, remedy)
}

// sameAs maps some AADSTS codes that package token does not know to codes that it
// knows. Both codes of an entry have the same cause.
var sameAs = map[int]int{
	7000229: 700016, 500133: 700024, 500137: 700024, 900023: 90002,
	53000: 53003, 53001: 53003, 53002: 53003, 530003: 53003, 530035: 53003,
}

// explainAADSTS returns the meaning of an AADSTS code and general advice. known
// is false if the code is not known.
func explainAADSTS(code int) (meaning, remedy string, known bool) {
	if meaning, remedy, known = token.Explain(code); known {
		return meaning, remedy, known
	}
	if code == 500014 {
		return "the resource's service principal (Office 365 Exchange Online) is disabled in the tenant, or its licence ended",
			"enable it: portal: Enterprise applications > Office 365 Exchange Online > Properties > Enabled for users to sign-in: Yes", true
	}
	return token.Explain(sameAs[code])
}
