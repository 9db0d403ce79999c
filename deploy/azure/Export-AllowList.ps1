<#
.SYNOPSIS
Writes the scope of an ApplicationImpersonation role assignment as an allow-list
for hmaproxy.

.DESCRIPTION
For every mailbox in the scope the file gets its primary address, its aliases,
its user principal name (upn:) and its security identifier (sid:), so that a
client may name the mailbox in any of these ways, and the GUIDs of the mailbox
and of its archive (guid:), by which hmaproxy knows ids of items and folders when
HMA_ALLOW_LIST_SCOPE is targets. A mailbox that was made again has another GUID.
hmaproxy reloads a changed file while it runs.

The file is replaced as a whole, and only after everything was read: when
anything fails, or no mailbox is in the scope, the old file stays and the exit
code is 1. That makes it fit for a scheduled task. Run it in the Exchange
Management Shell, as a member of View-Only Organization Management. Works with
Windows PowerShell 5.1.

.PARAMETER Path
The file to write: that of HMA_ALLOWED_MAILBOXES_FILE.

.PARAMETER RoleAssignee
The account whose assignments count, such as the service account that the old
software used. Without it all assignments of the role count.

.PARAMETER Filter
An OPATH filter for Get-Mailbox, where there is no role assignment to go by.

.PARAMETER PrimaryOnly
Writes primary addresses and GUIDs only.

.PARAMETER WholeOrganization
Permits a scope that is the whole organisation.

.EXAMPLE
.\Export-AllowList.ps1 -Path C:\ProgramData\hmaproxy\mailboxes.txt -RoleAssignee svc-sync

.EXAMPLE
.\Export-AllowList.ps1 -Path .\mailboxes.txt -Filter "CustomAttribute1 -eq 'sync'"

.EXAMPLE
$run = ". `$env:ExchangeInstallPath\bin\RemoteExchange.ps1; Connect-ExchangeServer -auto; C:\hmaproxy\Export-AllowList.ps1 -Path C:\ProgramData\hmaproxy\mailboxes.txt -RoleAssignee svc-sync"
$action = New-ScheduledTaskAction -Execute powershell.exe -Argument "-NoProfile -NonInteractive -ExecutionPolicy RemoteSigned -Command `"$run`""
$hourly = New-ScheduledTaskTrigger -Once -At 00:00 -RepetitionInterval (New-TimeSpan -Hours 1)
Register-ScheduledTask -TaskName 'hmaproxy allow-list' -Action $action -Trigger $hourly -User CONTOSO\svc-allowlist -Password (Read-Host 'Password')

An hourly task. Its account is a user of its own in View-Only Organization
Management, who may log on as a batch job; SYSTEM may not use the Exchange
Management Shell. Exit code 1 shows as the task's last result.
#>
[CmdletBinding(DefaultParameterSetName = 'Role')]
param(
    [Parameter(Mandatory = $true)] [string] $Path,
    [Parameter(ParameterSetName = 'Role')] [string] $RoleAssignee,
    [Parameter(ParameterSetName = 'Filter', Mandatory = $true)] [string] $Filter,
    [Parameter(ParameterSetName = 'Role')] [switch] $WholeOrganization,
    [switch] $PrimaryOnly
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# Parameters of every cmdlet of Exchange. The cmdlets are functions of a module,
# which do not see $ErrorActionPreference of this script. An incomplete list must
# not be written.
$stop = @{ ErrorAction = 'Stop' }

# The kinds of recipients that have a mailbox that a client may open. Mailboxes of
# the system are not among them, and Get-Mailbox does not find those of public
# folders.
$kinds = 'UserMailbox', 'LinkedMailbox', 'SharedMailbox', 'LegacyMailbox', 'RoomMailbox', 'LinkedRoomMailbox', 'EquipmentMailbox', 'SchedulingMailbox', 'TeamMailbox', 'DiscoveryMailbox'

# The grammar of addresses that hmaproxy accepts. Others cannot be on its list.
$address = '^[A-Za-z0-9!#$&''+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$&''+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$'

# Get-Assignment returns the role assignments that permit impersonation.
function Get-Assignment {
    $query = @{ Role = 'ApplicationImpersonation' }
    if ($RoleAssignee) { $query.RoleAssignee = $RoleAssignee }
    $found = @(Get-ManagementRoleAssignment @query @stop | Where-Object { $_.Enabled -and "$($_.RoleAssignmentDelegationType)" -eq 'Regular' })
    if ($found.Count -eq 0) { throw 'There is no enabled assignment of the role ApplicationImpersonation to go by.' }
    $found
}

# Get-Scope returns the mailboxes that one assignment reaches.
function Get-Scope($Assignment) {
    $query = @{ ResultSize = 'Unlimited' }
    switch ("$($Assignment.RecipientWriteScope)") {
        'Organization' {
            if (-not $WholeOrganization) {
                throw "The assignment '$($Assignment.Name)' has no scope and reaches every mailbox. Give it one, or say -WholeOrganization."
            }
        }
        'OU' { $query.OrganizationalUnit = "$($Assignment.CustomRecipientWriteScope)" }
        { $_ -in 'CustomRecipientScope', 'ExclusiveRecipientScope' } {
            $scope = Get-ManagementScope -Identity "$($Assignment.CustomRecipientWriteScope)" @stop
            $query.RecipientPreviewFilter = $scope.RecipientFilter
            if ($scope.RecipientRoot) { $query.OrganizationalUnit = "$($scope.RecipientRoot)" }
        }
        default { throw "The assignment '$($Assignment.Name)' has a scope of the kind '$_', which this script does not know." }
    }
    # Read all recipients first: the remote shell runs one pipeline at a time.
    $recipients = @(Get-Recipient @query @stop | Where-Object { $kinds -contains "$($_.RecipientTypeDetails)" })
    foreach ($recipient in $recipients) { Get-Mailbox -Identity $recipient.DistinguishedName @stop }
}

# Get-Entry returns the lines of one mailbox.
function Get-Entry($Mailbox) {
    $names = @("$($Mailbox.PrimarySmtpAddress)")
    if (-not $PrimaryOnly) {
        $names += @($Mailbox.EmailAddresses | ForEach-Object { "$_" } | Where-Object { $_ -clike 'smtp:*' } | ForEach-Object { $_.Substring(5) })
    }
    foreach ($name in $names) {
        if ($name -match $address) { $name } else { Write-Warning "Left out, not an address that hmaproxy takes: $name" }
    }
    foreach ($guid in "$($Mailbox.ExchangeGuid)", "$($Mailbox.ArchiveGuid)") {
        if ($guid -match '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' -and $guid -ne '00000000-0000-0000-0000-000000000000') { "guid:$($guid.ToLowerInvariant())" }
    }
    if ($PrimaryOnly) { return }
    if ("$($Mailbox.UserPrincipalName)" -match $address) { "upn:$($Mailbox.UserPrincipalName)" }
    $sid = "$((Get-User -Identity $Mailbox.DistinguishedName @stop).Sid)"
    if ($sid -like 'S-1-5-21-*') { "sid:$sid" }
}

try {
    if (-not (Get-Command Get-ManagementRoleAssignment -ErrorAction SilentlyContinue)) {
        throw 'Run this in the Exchange Management Shell.'
    }
    if ($PSCmdlet.ParameterSetName -eq 'Filter') {
        $mailboxes = @(Get-Mailbox -ResultSize Unlimited -Filter $Filter @stop | Where-Object { $kinds -contains "$($_.RecipientTypeDetails)" })
        $origin = "mailboxes with $Filter"
    } else {
        $assignments = @(Get-Assignment)
        $mailboxes = @($assignments | ForEach-Object { Get-Scope $_ })
        $origin = 'scope of ' + (($assignments | ForEach-Object { $_.Name }) -join ', ')
    }
    if ($mailboxes.Count -eq 0) { throw 'No mailbox is in the scope. An empty list is never written.' }
    $mailboxes = @($mailboxes | Sort-Object { "$($_.DistinguishedName)" } -Unique)
    $entries = @($mailboxes | ForEach-Object { Get-Entry $_ } | Sort-Object -Unique)
    if ($entries.Count -eq 0) { throw 'No mailbox in the scope has an address that hmaproxy takes. An empty list is never written.' }

    $origin = $origin -replace '[\r\n]', ' '
    $lines = @("# Written by Export-AllowList.ps1 at $((Get-Date).ToUniversalTime().ToString('yyyy-MM-dd HH:mm')) UTC.",
        "# $origin", "# $($mailboxes.Count) mailboxes, $($entries.Count) entries.") + $entries
    $full = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)
    $temporary = "$full.new"
    [IO.File]::WriteAllLines($temporary, [string[]] $lines, (New-Object Text.UTF8Encoding $false))
    if (Test-Path -LiteralPath $full) { [IO.File]::Replace($temporary, $full, "$full.old") } else { [IO.File]::Move($temporary, $full) }
    Write-Output "Written: $full, $($mailboxes.Count) mailboxes, $($entries.Count) entries."
} catch {
    Write-Error -ErrorAction Continue "The allow-list was not written: $($_.Exception.Message)"
    exit 1
}
