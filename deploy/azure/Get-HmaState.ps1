<#
.SYNOPSIS
Shows whether an Exchange organisation is ready for hmaproxy.

.DESCRIPTION
Reads, and changes nothing: versions, Hybrid Modern Authentication, the EWS
virtual directories, the trusted tenants, and who may impersonate whom. What
keeps hmaproxy from working is a warning with the command that repairs it.
Run it in the Exchange Management Shell, as a member of View-Only Organization
Management. Works with Windows PowerShell 5.1.

.PARAMETER TenantId
HMA_TENANT_ID, to be looked for among the trusted tenants.

.EXAMPLE
.\Get-HmaState.ps1 -TenantId 0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47
#>
[CmdletBinding()]
param(
    [string] $TenantId
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

if (-not (Get-Command Get-OrganizationConfig -ErrorAction SilentlyContinue)) {
    throw 'Run this in the Exchange Management Shell.'
}

function Show-Title([string] $Text) {
    Write-Output ''
    Write-Output "== $Text"
}

Show-Title 'Servers (Exchange 2013 CU19, 2016 CU8 or anything later)'
Get-ExchangeServer | Sort-Object Name | Format-Table Name, AdminDisplayVersion, ServerRole -AutoSize | Out-String -Width 160

Show-Title 'Organisation'
$organization = Get-OrganizationConfig
$organization | Format-List OAuth2ClientProfileEnabled, EwsEnabled, EwsApplicationAccessPolicy, EwsAllowList, EwsBlockList | Out-String -Width 160
if (-not $organization.OAuth2ClientProfileEnabled) {
    Write-Warning 'Hybrid Modern Authentication is off: Set-OrganizationConfig -OAuth2ClientProfileEnabled $true'
}
if ($organization.EwsEnabled -eq $false) {
    Write-Warning 'EWS is off for the organisation: Set-OrganizationConfig -EwsEnabled $null'
}
if ($organization.EwsApplicationAccessPolicy) {
    Write-Warning 'EWS is restricted to some programs by their User-Agent, which hmaproxy passes on unchanged: see EwsAllowList and EwsBlockList.'
}

Show-Title 'Trusted tenants'
$servers = @(Get-AuthServer | Where-Object { $_.Type -eq 'AzureAD' })
$servers | Format-List Name, Enabled, Realm, DomainName, IssuerIdentifier, IsDefaultAuthorizationEndpoint | Out-String -Width 160
if ($servers.Count -eq 0) {
    Write-Warning 'No Entra ID tenant is trusted: run the Hybrid Configuration Wizard.'
}
if ($servers.Count -gt 0 -and -not ($servers | Where-Object { $_.Enabled -and $_.IsDefaultAuthorizationEndpoint })) {
    Write-Warning 'No tenant is the default: Set-AuthServer -Identity ''EvoSTS - {GUID}'' -IsDefaultAuthorizationEndpoint $true'
}
if ($TenantId -and -not ($servers | Where-Object { "$($_.Realm) $($_.IssuerIdentifier)" -like "*$TenantId*" })) {
    Write-Warning "The tenant $TenantId is not among them: HMA_TENANT_ID is another one's, or the hybrid set-up is missing."
}

Show-Title 'EWS virtual directories'
$directories = @(Get-WebServicesVirtualDirectory -ADPropertiesOnly)
$directories | Format-List Server, InternalUrl, ExternalUrl, InternalAuthenticationMethods, ExternalAuthenticationMethods | Out-String -Width 160
foreach ($directory in $directories) {
    # Active Directory holds these two properties. OAuthAuthentication is derived from
    # them.
    if ("$($directory.ExternalAuthenticationMethods) $($directory.InternalAuthenticationMethods)" -notmatch 'OAuth') {
        Write-Warning "OAuth is off on $($directory.Server): Set-WebServicesVirtualDirectory -Identity '$($directory.Identity)' -OAuthAuthentication `$true"
    }
}
$hosts = @($directories | ForEach-Object { $_.ExternalUrl; $_.InternalUrl } | Where-Object { $_ } | ForEach-Object { ([uri] "$_").Host } | Sort-Object -Unique)
Write-Output "Each of these hosts that HMA_EWS_URL may use must be registered in Entra ID: $($hosts -join ', ')"

Show-Title 'Who may impersonate whom (app-only tokens of hmaproxy may pass by this; doctor -forbidden-mailbox finds out)'
Get-ManagementRoleAssignment -Role ApplicationImpersonation |
    Where-Object { "$($_.RoleAssignmentDelegationType)" -eq 'Regular' } |
    Format-List Name, RoleAssigneeName, Enabled, RecipientWriteScope, CustomRecipientWriteScope | Out-String -Width 160
