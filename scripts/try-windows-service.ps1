<#
.SYNOPSIS
Installs, runs, updates and removes the service on this machine, which must have
no other hmaproxy. Nothing outside is needed: it runs without being ready.
#>
#Requires -RunAsAdministrator
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

function Check([bool] $Holds, [string] $What) {
    if (-not $Holds) {
        throw "Does not hold: $What"
    }
    Write-Output "ok: $What"
}

$root = Split-Path $PSScriptRoot
$package = Join-Path ([System.IO.Path]::GetTempPath()) 'hmaproxy-package'
New-Item -ItemType Directory -Force -Path $package | Out-Null
Copy-Item -Force -Path (Join-Path $root 'deploy\windows\*') -Destination $package
Push-Location $root
$env:CGO_ENABLED = '0'
go build -o (Join-Path $package 'hmaproxy.exe') ./cmd/hmaproxy
Pop-Location
Check ($LASTEXITCODE -eq 0) 'it is built'

$settings = Join-Path $package 'try.env'
@'
HMA_EWS_URL=https://127.0.0.1:9/
HMA_TENANT_ID=0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47
HMA_APP_ID=0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e48
HMA_KEY_VAULT_URI=https://127.0.0.1:9
HMA_KEY_VAULT_CERT_NAME=HMA-Cert
HMA_KEY_VAULT_APP_ID=0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e49
HMA_KEY_VAULT_CLIENT_SECRET=not-one
HMA_ALLOWED_MAILBOXES=sync@contoso.com
HMA_LOG_FILE=C:\ProgramData\hmaproxy\log\hmaproxy.log
'@ | Set-Content -Encoding ascii -Path $settings

& (Join-Path $package 'install.ps1') -EnvFile $settings
$program = Join-Path $env:ProgramFiles 'hmaproxy\hmaproxy.exe'
$installed = Join-Path $env:ProgramData 'hmaproxy\hmaproxy.env'
$log = Join-Path $env:ProgramData 'hmaproxy\log\hmaproxy.log'

& $program service start
Check ($LASTEXITCODE -eq 0) 'the service starts'
$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='hmaproxy'"
Check ($service.State -eq 'Running' -and $service.StartName -eq 'NT SERVICE\hmaproxy') 'it runs under its own account'
& $program health -env-file $installed live
Check ($LASTEXITCODE -eq 0) 'it responds'
sc.exe control hmaproxy paramchange | Out-Null
Start-Sleep -Seconds 2
Check ((Get-Content $log -Raw) -match '"msg":"reloading') 'it looks at its files when asked'
$readers = (Get-Acl $installed).Access | Where-Object { $_.IdentityReference -match 'Users|Everyone' }
Check ($null -eq $readers) 'ordinary users cannot read the settings'

& $program service stop
Check ($LASTEXITCODE -eq 0 -and (Get-Service hmaproxy).Status -eq 'Stopped') 'it stops'
(Get-Content $installed) -replace 'EWS_URL=https', 'EWS_URL=http' | Set-Content -Encoding ascii -Path $installed
& $program service start
Check ($LASTEXITCODE -ne 0 -and (Get-CimInstance Win32_Service -Filter "Name='hmaproxy'").ServiceSpecificExitCode -eq 78) 'a mistake in the settings stops it with 78'
$events = Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'hmaproxy' }
Check (@($events | Where-Object { $_.Id -eq 3 -and $_.Message -match 'HMA_EWS_URL' }).Count -gt 0) 'the Event Log names the variable'
Check (@($events | Where-Object { $_.Id -eq 1 }).Count -ge 2) 'the Event Log has start and stop'

& (Join-Path $package 'install.ps1')
& (Join-Path $package 'uninstall.ps1') -Data
Check ($null -eq (Get-Service hmaproxy -ErrorAction SilentlyContinue)) 'it is gone'
Check (-not (Test-Path (Split-Path $installed))) 'its data is gone'
