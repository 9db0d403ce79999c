<#
.SYNOPSIS
Removes the service hmaproxy and its program.

.PARAMETER Data
Remove settings, secret and log too.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [switch] $Data
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$programFolder = Join-Path $env:ProgramFiles 'hmaproxy'
if (Get-Service -Name hmaproxy -ErrorAction SilentlyContinue) {
    & (Join-Path $programFolder 'hmaproxy.exe') service remove
    if ($LASTEXITCODE -ne 0) {
        throw "hmaproxy.exe service remove ended with $LASTEXITCODE."
    }
}
Remove-Item -Recurse -Force -Path $programFolder -ErrorAction SilentlyContinue
if ($Data) {
    Remove-Item -Recurse -Force -Path (Join-Path $env:ProgramData 'hmaproxy')
}
