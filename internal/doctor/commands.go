package doctor

// exchangeOnlineApp is "Office 365 Exchange Online" in every tenant; Exchange
// Server's names are registered on it too. fullAccessRole is its application
// permission full_access_as_app.
const (
	exchangeOnlineApp = "00000002-0000-0ff1-ce00-000000000000"
	fullAccessRole    = "dc890d15-9560-4a4c-9b7f-a736ec74ec40"
)

// commandsFor returns the commands, or the ways through the portal, that repair
// what an AADSTS code complains of. app is the application that was refused.
func commandsFor(code int, app string, x *examination) []string {
	switch code {
	case 500011, 50001:
		return []string{
			"$x = Get-MgServicePrincipal -Filter \"AppId eq '" + exchangeOnlineApp + "'\"; Update-MgServicePrincipal -ServicePrincipalId $x.Id -ServicePrincipalNames ($x.ServicePrincipalNames + 'https://" + origin(x.config.EWS.URL) + "/')",
			"or: deploy/azure/setup.sh, which registers it among other things",
		}
	case 650057, 65005, 650056, 501051, 65001:
		return []string{
			"az ad app permission add --id " + app + " --api " + exchangeOnlineApp + " --api-permissions " + fullAccessRole + "=Role",
			"az ad app permission admin-consent --id " + app,
			"portal: App registrations > HMA-App > API permissions > Add > APIs my organization uses > Office 365 Exchange Online > Application permissions > full_access_as_app; then Grant admin consent",
		}
	case 700016, 7000229:
		return []string{"az ad app show --id " + app + " --query appId     # is it known?", "az ad sp create --id " + app + "     # when it has no service principal"}
	case 7000112, 70001:
		return []string{"az ad sp update --id " + app + " --set accountEnabled=true", "portal: Enterprise applications > (the application) > Properties > Enabled for users to sign-in: Yes"}
	case 700027, 50012:
		return []string{x.registerCommand()}
	case 7000214, 1000502:
		return []string{x.issueCommand(), x.registerCommand()}
	case 700030:
		return []string{x.registerCommand()}
	case 700024, 500133, 500137:
		return setClock
	}
	return moreCommands(code, app, x)
}

// repairs adds the general remedy to commands that alone may not say enough.
func repairs(commands []string, remedy string) []string {
	if len(commands) > 1 {
		return commands
	}
	return append(commands, remedy)
}

func moreCommands(code int, app string, x *examination) []string {
	switch code {
	case 7000215, 7000222, 7000218:
		return []string{"az ad app credential reset --id " + app + " --append --display-name hmaproxy --query password -o tsv     # prints the new secret's value"}
	case 700025:
		return []string{"az ad app update --id " + app + " --is-fallback-public-client false"}
	case 70011, 28002, 700022, 700023, 1002012:
		return []string{"set HMA_RESOURCE_ID=https://" + origin(x.config.EWS.URL)}
	case 90002, 900023, 50059, 50128, 9001023, 50034:
		return []string{"az account show --query tenantId -o tsv     # or portal: Entra ID > Overview > Tenant ID"}
	case 90038, 900382, 900432:
		return []string{"set HMA_AUTHORITY_HOST to the tenant's cloud: " + authorityList}
	case 53003, 530032:
		return []string{"portal: Entra ID > Sign-in logs > Service principal sign-ins names the policy; then Protection > Conditional Access > (the policy) > exclude the service principal " + app}
	case 50196:
		return []string{"portal: Entra ID > Sign-in logs > Service principal sign-ins, by application " + app}
	case 90055, 50033, 90006, 90033, 90090:
		return []string{"try again in some minutes; https://azure.status.microsoft shows known outages"}
	}
	return nil
}
