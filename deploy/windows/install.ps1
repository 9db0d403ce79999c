<#
.SYNOPSIS
Installs hmaproxy as a Windows service, or updates it.

.DESCRIPTION
Run it from the folder that the release's zip was extracted to, or after the Windows
Installer package from its folder in Program Files, in a console that was opened as
administrator. It copies the program to Program Files, keeps settings, secret and
log in ProgramData\hmaproxy where only administrators and the service can read
them, and registers the service. What the package has done already is left as it
is, and so are settings and secret. Works with Windows PowerShell 5.1.

.PARAMETER EnvFile
Settings to begin with, lines NAME=value. Without it the example is copied, to be
filled in.

.PARAMETER Start
Start the service in the end.

.EXAMPLE
deploy\windows\install.ps1 -EnvFile C:\Temp\hmaproxy.env -Start
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [string] $EnvFile,
    [switch] $Start
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$programFolder = Join-Path $env:ProgramFiles 'hmaproxy'
$program = Join-Path $programFolder 'hmaproxy.exe'
$dataFolder = Join-Path $env:ProgramData 'hmaproxy'
$logFolder = Join-Path $dataFolder 'log'
$settings = Join-Path $dataFolder 'hmaproxy.env'
$secret = Join-Path $dataFolder 'client-secret'

# The program lies at the top of the zip and of the package's folder, two folders up
# from here, or next to this script.
$source = @((Join-Path $PSScriptRoot 'hmaproxy.exe'), (Join-Path $PSScriptRoot '..\..\hmaproxy.exe')) |
    Where-Object { Test-Path $_ } | Select-Object -First 1
if (-not $source) {
    throw "The program is missing in $PSScriptRoot and two folders up: extract the whole zip."
}
$source = (Resolve-Path $source).Path
$inPlace = $source -eq $program # installed by the Windows Installer package

# Invoke runs a program and ends the script when the program fails.
function Invoke([string] $Path, [string[]] $Arguments) {
    & $Path @Arguments | Out-Host
    if ($LASTEXITCODE -ne 0) {
        throw "$Path $($Arguments -join ' ') ended with $LASTEXITCODE."
    }
}

# Protect gives access to a folder to administrators, the system and the service only.
function Protect([string] $Folder, [string] $Rights) {
    Invoke 'icacls.exe' @($Folder, '/inheritance:r', '/grant:r', '*S-1-5-32-544:(OI)(CI)F', '*S-1-5-18:(OI)(CI)F')
    Invoke 'icacls.exe' @($Folder, '/grant:r', "NT SERVICE\hmaproxy:(OI)(CI)$Rights")
}

# The program of a running service cannot be replaced.
$service = Get-Service -Name hmaproxy -ErrorAction SilentlyContinue
$wasRunning = $service -and $service.Status -ne 'Stopped'
if ($wasRunning -and -not $inPlace) {
    Invoke $program @('service', 'stop')
}

New-Item -ItemType Directory -Force -Path $programFolder, $dataFolder, $logFolder | Out-Null
if (-not $inPlace) {
    Copy-Item -Force -Path $source -Destination $program
}
if (-not $service) {
    Invoke $program @('service', 'install', '-env-file', $settings)
}

# The service's account does not exist before the service is installed. The folder is
# protected before a secret is written to it.
Protect $dataFolder 'RX'
Protect $logFolder 'M'

if (-not (Test-Path $settings)) {
    if ($EnvFile) {
        Copy-Item -Path $EnvFile -Destination $settings
    } else {
        Copy-Item -Path (Join-Path $PSScriptRoot 'hmaproxy.env.example') -Destination $settings
    }
}
if (-not (Test-Path $secret) -and (Select-String -Quiet -SimpleMatch -Pattern 'HMA_KEY_VAULT_CLIENT_SECRET_FILE=' -Path $settings)) {
    $typed = Read-Host -AsSecureString -Prompt 'Client secret of the Key Vault application (its value)'
    $plain = (New-Object System.Net.NetworkCredential '', $typed).Password
    [System.IO.File]::WriteAllText($secret, $plain)
}

if ($wasRunning -and $inPlace) {
    Invoke $program @('service', 'stop') # so that it reads its settings again
}
if ($Start -or $wasRunning) {
    Invoke $program @('service', 'start')
    Invoke $program @('wait', '-env-file', $settings, '-timeout', '60s')
}
Write-Output "Settings: $settings"
Write-Output "Log:      $logFolder, and the Event Log under hmaproxy"
Write-Output "Next:     & '$program' doctor -env-file '$settings'"
