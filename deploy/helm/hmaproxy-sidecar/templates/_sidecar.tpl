{{/*
Templates for a chart that depends on this one under the alias "hmaproxy". Each takes
the chart's own context: {{ include "hmaproxy.container" . }}. See deploy/helm/example.
*/}}

{{/* The name of the objects that the templates make. */}}
{{- define "hmaproxy.name" -}}
{{ printf "%s-hmaproxy" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Labels for the pod: NetworkPolicy and PodMonitor select the pod by them. */}}
{{- define "hmaproxy.podLabels" -}}
hmaproxy: {{ include "hmaproxy.name" . }}
{{- end -}}

{{/* Annotations for the pod: changed settings change the annotation, which replaces the
pod. A changed allow-list does not replace the pod, because the list is reloaded. */}}
{{- define "hmaproxy.podAnnotations" -}}
hmaproxy/settings: {{ .Values.hmaproxy.settings | toJson | sha256sum }}
{{- end -}}

{{/* An entry of the pod's initContainers. */}}
{{- define "hmaproxy.container" -}}
{{- $v := .Values.hmaproxy -}}
- name: hmaproxy
  image: {{ printf "%s:%s" $v.image.repository $v.image.tag | quote }}
  imagePullPolicy: {{ $v.image.pullPolicy }}
  restartPolicy: Always # a native sidecar: it starts first, ends last, and never keeps a Job from ending
  envFrom:
    - configMapRef:
        name: {{ include "hmaproxy.name" . }}
  env:
    {{- if $v.secretName }}
    - name: HMA_KEY_VAULT_CLIENT_SECRET_FILE
      value: /etc/hmaproxy/secret/client-secret
    {{- end }}
    - name: HMA_ALLOWED_MAILBOXES_FILE
      value: /etc/hmaproxy/list/mailboxes
    - name: HMA_ADMIN_LISTEN
      value: 0.0.0.0:8081 # the kubelet probes from outside; only probes and metrics are served there
    - name: GOMEMLIMIT
      value: {{ printf "%dMiB" (div (mul (int $v.resources.memoryLimitMiB) 3) 4) }}
  ports:
    - name: hmaproxy-admin
      containerPort: 8081
  startupProbe: # the other containers start once there is a token
    httpGet:
      path: /ready
      port: hmaproxy-admin
    periodSeconds: 1
    failureThreshold: 86400 # Entra ID being down for hours must not restart it; other containers wait
  readinessProbe:
    httpGet:
      path: /ready
      port: hmaproxy-admin
  livenessProbe:
    httpGet:
      path: /live
      port: hmaproxy-admin
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    requests:
      cpu: {{ $v.resources.cpuRequest }}
      memory: {{ int $v.resources.memoryRequestMiB }}Mi
    limits:
      memory: {{ int $v.resources.memoryLimitMiB }}Mi
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts: # whole folders: a subPath mount would never be updated
    {{- if $v.secretName }}
    - name: hmaproxy-secret
      mountPath: /etc/hmaproxy/secret
      readOnly: true
    {{- end }}
    - name: hmaproxy-mailboxes
      mountPath: /etc/hmaproxy/list
      readOnly: true
{{- end -}}

{{/* Entries of the pod's volumes. */}}
{{- define "hmaproxy.volumes" -}}
{{- if .Values.hmaproxy.secretName -}}
- name: hmaproxy-secret
  secret:
    secretName: {{ .Values.hmaproxy.secretName }}
    defaultMode: 0444 # readable in its own container only: no other container mounts it
{{ end -}}
- name: hmaproxy-mailboxes
  configMap:
    name: {{ include "hmaproxy.name" . }}-mailboxes
{{- end -}}

{{/* The objects next to the workload: settings, allow-list, and, if enabled,
NetworkPolicy, PodMonitor and PrometheusRule. */}}
{{- define "hmaproxy.objects" -}}
{{- $v := .Values.hmaproxy -}}
{{- $name := include "hmaproxy.name" . -}}
{{- if not $v.mailboxes -}}
{{- fail "hmaproxy.mailboxes is empty: name the mailboxes that the software may open" -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
data:
  {{- range $setting, $value := $v.settings }}
  {{ $setting }}: {{ $value | quote }}
  {{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}-mailboxes
data:
  mailboxes: |
    {{- range $v.mailboxes }}
    {{ . }}
    {{- end }}
{{- if $v.networkPolicy.enabled }}
---
# Metrics are for Prometheus alone; the kubelet's probes come from the node and are let
# in anyway. A policy closes what it does not name, so it names all other ports.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
spec:
  podSelector:
    matchLabels:
      hmaproxy: {{ $name }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: 1
          endPort: 8080
          protocol: TCP
        - port: 8082
          endPort: 65535
          protocol: TCP
        - port: 1
          endPort: 65535
          protocol: UDP
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ $v.networkPolicy.monitoringNamespace }}
      ports:
        - port: 8081
          protocol: TCP
{{- end }}
{{- if $v.monitoring.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ $name }}
  {{- with $v.monitoring.labels }}
  labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels:
      hmaproxy: {{ $name }}
  podMetricsEndpoints:
    - port: hmaproxy-admin
      path: /metrics
      relabelings:
        - targetLabel: job
          replacement: hmaproxy
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ $name }}
  {{- with $v.monitoring.labels }}
  labels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
{{ include "hmaproxy.rules" . | indent 2 }}
{{- end }}
{{- end -}}
