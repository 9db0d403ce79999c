# PowerShell completion for hmaproxy. Generated from the command table by go generate ./cmd/hmaproxy.
Register-ArgumentCompleter -Native -CommandName hmaproxy, hmaproxy.exe -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $commands = [ordered]@{
        'serve' = 'serve EWS clients (the default command)'
        'init' = 'write the file of settings'
        'doctor' = 'find out why it does not work, and what to do'
        'health' = 'ask a running hmaproxy for its health'
        'wait' = 'block until a running hmaproxy is ready'
        'hash-password' = 'make a line for HMA_CLIENT_USERS_FILE'
        'report' = 'say who used which mailboxes, from logs; suggest an allow-list'
        'policy' = 'test an allow-list with logs, or ask about a mailbox'
        'tls-setup' = 'make a certificate for clients that insist on https'
        'service' = 'be a Windows service (Windows only)'
        'version' = 'print the version'
        'help' = 'explain a command, or list all settings'
    }
    $arguments = @{
        'serve' = @('-env-file', '-h')
        'init' = @('-o', '-h')
        'doctor' = @('-env-file', '-mailbox', '-forbidden-mailbox', '-autodiscover', '-v', '-json', '-timeout', '-h')
        'health' = @('startup', 'ready', 'live', '-env-file', '-h')
        'wait' = @('-env-file', '-timeout', '-h')
        'hash-password' = @('-name', '-mailboxes', '-whole-allow-list', '-cost', '-h')
        'report' = @('-json', '-csv', '-html', '-suggest', '-graph', '-top', '-h')
        'policy' = @('test', 'check', '-env-file', '-list', '-operation', '-client', '-json', '-top', '-h')
        'tls-setup' = @('-env-file', '-dir', '-days', '-h')
        'service' = @('install', 'remove', 'start', 'stop', '-env-file', '-h')
        'version' = @('-h')
        'help' = @('settings', 'serve', 'init', 'doctor', 'health', 'wait', 'hash-password', 'report', 'policy', 'tls-setup', 'service', 'version', '-h')
    }
    $elements = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
    if ($wordToComplete -ne '') { $elements = @($elements | Select-Object -SkipLast 1) }
    $previous = $elements[-1]
    if (@('-env-file', '-o', '-list', '-dir', '-mailbox', '-forbidden-mailbox', '-autodiscover', '-timeout', '-name', '-mailboxes', '-cost', '-top', '-operation', '-client', '-days') -contains $previous) { return } # PowerShell completes files by itself
    $command = 'serve'
    if ($elements.Count -gt 1 -and -not $elements[1].StartsWith('-')) { $command = $elements[1] }
    $words = @($arguments[$command])
    if ($elements.Count -eq 1) { $words = @($commands.Keys) + $words + '--version' }
    $words | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        $tip = if ($commands.Contains($_)) { $commands[$_] } else { $_ }
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $tip)
    }
}
