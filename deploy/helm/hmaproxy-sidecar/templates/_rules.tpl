{{/* Copied from deploy/monitoring/hmaproxy.rules.yaml by go generate ./cmd/hmaproxy. */}}
{{- define "hmaproxy.rules" -}}
{{ `groups:
  - name: hmaproxy
    rules:
      - alert: HmaproxyDown
        expr: up{job=~".*hmaproxy.*"} == 0
        for: 2m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxydown"
          summary: "hmaproxy on {{ $labels.instance }} does not respond"
          description: "Prometheus cannot read /metrics. Clients on that machine most likely cannot reach Exchange either."
      - alert: HmaproxyNotReady
        expr: hmaproxy_ready == 0
        for: 2m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxynotready"
          summary: "hmaproxy on {{ $labels.instance }} is not ready"
          description: "There is no usable access token. /ready and the status page say why."
      - alert: HmaproxyTokenNearExpiry
        expr: hmaproxy_token_expiry_timestamp_seconds - time() < 600 and hmaproxy_token_usable == 1
        for: 1m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytokennearexpiry"
          summary: "hmaproxy on {{ $labels.instance }} has a token that expires in {{ $value | humanizeDuration }}"
          description: "Refreshing fails; a token is normally replaced after two thirds of its life. Requests fail once it has expired."
      - alert: HmaproxyTokenRefreshFailing
        expr: hmaproxy_token_consecutive_failures > 2
        for: 5m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytokenrefreshfailing"
          summary: "hmaproxy on {{ $labels.instance }} cannot refresh its token"
          description: "{{ $value }} consecutive attempts failed. hmaproxy_token_failures_total names class and AADSTS code."
      - alert: HmaproxyTokenLacksRole
        expr: hmaproxy_token_usable == 1 and hmaproxy_token_full_access == 0
        for: 5m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytokenlacksrole"
          summary: "the token of hmaproxy on {{ $labels.instance }} lacks full_access_as_app"
          description: "Exchange refuses such a token. The permission or the admin consent was removed."
      - alert: HmaproxyCertificateNearExpiry
        expr: hmaproxy_certificate_expiry_timestamp_seconds{slot="active"} - time() < 30 * 86400
        for: 1h
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxycertificatenearexpiry"
          summary: "the certificate of hmaproxy on {{ $labels.instance }} expires in {{ $value | humanizeDuration }}"
          description: "Issue a new version in Key Vault and register its public half in Entra ID: see the rotation runbook."
      - alert: HmaproxyCertificateExpiring
        expr: hmaproxy_certificate_expiry_timestamp_seconds{slot="active"} - time() < 3 * 86400
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxycertificateexpiring"
          summary: "the certificate of hmaproxy on {{ $labels.instance }} expires in {{ $value | humanizeDuration }}"
          description: "After that hmaproxy can obtain no tokens without a new certificate."
      - alert: HmaproxyTLSCertificateNearExpiry
        expr: hmaproxy_tls_certificate_expiry_timestamp_seconds - time() < 30 * 86400
        for: 1h
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytlscertificatenearexpiry"
          summary: "the certificate that clients of hmaproxy on {{ $labels.instance }} get expires in {{ $value | humanizeDuration }}"
          description: "Replace the files of HMA_TLS_CERT_FILE and HMA_TLS_KEY_FILE; clients must trust the issuer of the new certificate."
      - alert: HmaproxyTLSCertificateExpiring
        expr: hmaproxy_tls_certificate_expiry_timestamp_seconds - time() < 3 * 86400
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytlscertificateexpiring"
          summary: "the certificate that clients of hmaproxy on {{ $labels.instance }} get expires in {{ $value | humanizeDuration }}"
          description: "After that clients refuse to connect."
      - alert: HmaproxyCertificateNotRegistered
        expr: hmaproxy_certificate_candidate_refused == 1
        for: 1h
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxycertificatenotregistered"
          summary: "Entra ID refuses the newest certificate of hmaproxy on {{ $labels.instance }}"
          description: "It is in the vault but not in the app registration. The old one is used until it expires."
      - alert: HmaproxyCertificateLookupFailing
        expr: hmaproxy_certificate_lookup_failed == 1
        for: 30m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxycertificatelookupfailing"
          summary: "hmaproxy on {{ $labels.instance }} cannot read its certificate"
          description: "Key Vault (or the file) has refused since {{ with query (printf \"hmaproxy_certificate_lookup_last_success_timestamp_seconds{instance='%s'}\" $labels.instance) }}{{ . | first | value | humanizeTimestamp }}{{ end }}. Requests are served until the certificate in memory expires or the process restarts."
      - alert: HmaproxyRefusals
        expr: sum by (instance, reason) (increase(hmaproxy_denials_total{reason!~"credentials|login-name-invalid|method|path"}[15m])) > 0
        labels: {severity: security}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyrefusals"
          summary: "hmaproxy on {{ $labels.instance }} refused requests: {{ $labels.reason }}"
          description: "{{ $value | humanize }} in 15 minutes. A client is misconfigured, or tries something that it is not allowed to do. The log names it."
      - alert: HmaproxyWrongCredentials
        expr: sum by (instance) (increase(hmaproxy_denials_total{reason="credentials"}[15m])) > 100
        labels: {severity: security}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxywrongcredentials"
          summary: "many requests without valid credentials at hmaproxy on {{ $labels.instance }}"
          description: "{{ $value | humanize }} in 15 minutes. Clients that send credentials only after a challenge cause some; guessing passwords causes many."
      - alert: HmaproxyAuditRefusals
        expr: sum by (instance, reason) (increase(hmaproxy_audit_refusals_total[1h])) > 0
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyauditrefusals"
          summary: "hmaproxy on {{ $labels.instance }} would have refused requests: {{ $labels.reason }}"
          description: "{{ $value | humanize }} in an hour. They were forwarded, because HMA_ALLOW_LIST_MODE is audit."
      - alert: HmaproxyNoAllowList
        expr: hmaproxy_allow_list_info{mode="none"} == 1
        for: 1h
        labels: {severity: security}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxynoallowlist"
          summary: "hmaproxy on {{ $labels.instance }} has no allow-list"
          description: "Everyone who can connect to it may open every mailbox of the organisation."
      - alert: HmaproxyAllowListAlarm
        expr: hmaproxy_allow_list_alarm == 1
        for: 1m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyallowlistalarm"
          summary: "hmaproxy on {{ $labels.instance }} could not reload its allow-list file"
          description: "The previous list is in force: mailboxes that were removed from the file may still be opened."
      - alert: HmaproxyFileAlarm
        expr: hmaproxy_file_alarm == 1
        for: 1m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyfilealarm"
          summary: "hmaproxy on {{ $labels.instance }} could not reload the file of {{ $labels.variable }}"
          description: "The previous content is in force. The log says what is wrong with the file."
      - alert: HmaproxyLogAlarm
        expr: hmaproxy_log_alarm == 1
        for: 1m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxylogalarm"
          summary: "hmaproxy on {{ $labels.instance }} loses log lines"
          description: "The log is not read, or its file cannot be written. hmaproxy_log_dropped_lines_total counts the lines; requests are served."
      - alert: HmaproxyPanic
        expr: increase(hmaproxy_panics_total[15m]) > 0
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxypanic"
          summary: "a request made hmaproxy on {{ $labels.instance }} panic"
          description: "This is an error in hmaproxy; other requests are not affected. The log has a line with level ERROR and the stack: report it."
      - alert: HmaproxyReplays
        expr: sum by (instance) (increase(hmaproxy_replays_total[15m])) > 5
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyreplays"
          summary: "Exchange keeps refusing tokens of hmaproxy on {{ $labels.instance }}"
          description: "{{ $value | humanize }} requests in 15 minutes were sent again with a new token. The diagnosis in the log says why."
      - alert: HmaproxyTokenRefused
        expr: sum by (instance) (increase(hmaproxy_failures_total{reason="upstream-401"}[10m])) > 0
        for: 2m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytokenrefused"
          summary: "Exchange refuses the token of hmaproxy on {{ $labels.instance }}"
          description: "A new token did not help. The request's log line carries Exchange's diagnosis and a remedy."
      - alert: HmaproxyExchangeFailing
        expr: |
          sum by (instance) (rate(hmaproxy_failures_total{reason!="client-left"}[10m]))
            > 0.05 * sum by (instance) (rate(hmaproxy_requests_total[10m]))
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyexchangefailing"
          summary: "more than 5 % of the requests through hmaproxy on {{ $labels.instance }} fail"
          description: "Exchange, or the network on the way to it, does not respond properly. hmaproxy_failures_total says how."
      - alert: HmaproxyExchangeNotServing
        expr: hmaproxy_exchange_consecutive_failures > 0
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyexchangenotserving"
          summary: "Exchange has served no request through hmaproxy on {{ $labels.instance }} for 10 minutes"
          description: "{{ $value }} consecutive requests failed at Exchange or on the way to it. /ready and the status page name the first cause and a remedy."
      - alert: HmaproxyServerErrors
        expr: |
          sum by (instance) (rate(hmaproxy_upstream_responses_total{status=~"5..",status!="500"}[10m]))
            > 0.05 * sum by (instance) (rate(hmaproxy_upstream_responses_total[10m]))
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyservererrors"
          summary: "more than 5 % of Exchange's responses to hmaproxy on {{ $labels.instance }} are server errors"
          description: "Statuses 501 and above come from IIS or a device in front of Exchange; hmaproxy_upstream_responses_total says which. Exchange's own SOAP faults have status 500 and are left out."
      - alert: HmaproxyClientsLeave
        expr: |
          sum by (instance) (rate(hmaproxy_request_duration_seconds_count{outcome="left"}[15m]))
            > 0.1 * sum by (instance) (rate(hmaproxy_request_duration_seconds_count[15m]))
        for: 10m
        labels: {severity: page}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyclientsleave"
          summary: "clients of hmaproxy on {{ $labels.instance }} leave before Exchange responds"
          description: "More than 10 % of the requests, without notification streams, ended because the client closed its connection: Exchange takes longer than the clients wait."
      - alert: HmaproxyThrottled
        expr: |
          sum by (instance) (
            increase(hmaproxy_exchange_faults_total{code=~"ErrorServerBusy|ErrorExceeded.*|ErrorTooManyObjectsOpened"}[15m])
          ) > 0
        for: 15m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxythrottled"
          summary: "Exchange throttles requests of hmaproxy on {{ $labels.instance }}"
          description: "{{ $value | humanize }} requests in 15 minutes. Use fewer clients at the same time, or give the application a throttling policy."
      - alert: HmaproxyMailboxGone
        expr: |
          sum by (instance) (
            increase(hmaproxy_exchange_faults_total{code=~"ErrorNonExistentMailbox|ErrorMailboxNotFound"}[30m])
          ) > 0
        for: 1h
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxymailboxgone"
          summary: "Exchange does not have a mailbox that a client of hmaproxy on {{ $labels.instance }} opens"
          description: "It was mistyped, deleted, or moved to Exchange Online. The log line with this fault names the mailbox."
      - alert: HmaproxyTrafficStopped
        expr: |
          sum by (instance) (increase(hmaproxy_requests_total[30m])) == 0
            and sum by (instance) (increase(hmaproxy_requests_total[30m] offset 1w)) > 10
        for: 15m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxytrafficstopped"
          summary: "no client uses hmaproxy on {{ $labels.instance }} any more"
          description: "There were requests at this time a week ago. The clients have stopped, or reach Exchange another way, where no allow-list applies."
      - alert: HmaproxyClockSkew
        expr: abs(hmaproxy_clock_skew_seconds) > 60
        for: 10m
        labels: {severity: ticket}
        annotations:
          runbook_url: "https://runbooks.example.com/hmaproxy/operations.md#hmaproxyclockskew"
          summary: "the clock of {{ $labels.instance }} is off by {{ $value | humanizeDuration }}"
          description: "Entra ID and Exchange refuse assertions and tokens that seem to come from the future or to have ended."` }}
{{- end -}}
