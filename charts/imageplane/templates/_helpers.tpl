{{/* What must be said before anything is rendered. Each refusal names the value and what to write. */}}
{{- define "imageplane.demands" -}}
{{- if has .Release.Namespace (list "default" "kube-system" "kube-public" .Values.dmz.namespace) }}
{{- fail (printf "Install into a namespace of its own, such as imageplane-system, not into %s: helm install … --namespace imageplane-system --create-namespace" .Release.Namespace) }}
{{- end }}
{{- if not .Values.images.registry }}
{{- fail "images.registry is missing: write where the images are, such as registry.example.org/imageplane. docs/guides/kubernetes.md says how they are built." }}
{{- end }}
{{- if not .Values.gateway.hosts }}
{{- fail "gateway.hosts is missing: write the host names by which clients call the gateway, such as [images.example.org]." }}
{{- end }}
{{- if and .Values.gateway.tls.certManager.enabled (not .Values.gateway.tls.certManager.issuerRef.name) }}
{{- fail "gateway.tls.certManager.issuerRef.name is missing: write the name of the issuer that signs the certificate." }}
{{- end }}
{{- if not (or .Values.gateway.tls.certManager.enabled .Values.gateway.tls.secretName) }}
{{- fail "The gateway speaks HTTPS alone and has no certificate: write gateway.tls.secretName (a Secret of type kubernetes.io/tls in the DMZ namespace), or enable gateway.tls.certManager." }}
{{- end }}
{{- if and (gt (int .Values.gateway.replicas) 1) (not .Values.valkey.url) }}
{{- fail (printf "gateway.replicas is %d and valkey.url is missing: gateways count requests together only by a Valkey or Redis server. Write valkey.url, or gateway.replicas: 1." (int .Values.gateway.replicas)) }}
{{- end }}
{{- if and .Values.postgres.trial.enabled .Values.postgres.host }}
{{- fail "postgres.host and postgres.trial.enabled exclude each other: your own Postgres, or the one for trials." }}
{{- end }}
{{- if not (or .Values.postgres.trial.enabled .Values.postgres.host) }}
{{- fail "There is no database: write postgres.host with its Secrets, or postgres.trial.enabled: true for a trial." }}
{{- end }}
{{- if .Values.postgres.host }}
{{- if not .Values.postgres.ownerPassword.name }}
{{- fail "postgres.ownerPassword.name is missing: write the Secret in the release namespace with the password of postgres.owner." }}
{{- end }}
{{- if not .Values.postgres.gatewayPassword.name }}
{{- fail "postgres.gatewayPassword.name is missing: write the Secret in the DMZ namespace with the password of imageplane_gateway." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imageplane.labels" -}}
app.kubernetes.io/part-of: imageplane
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "imageplane.labelsOf" -}}
{{ include "imageplane.labels" .root }}
{{ include "imageplane.selector" . }}
{{- end }}

{{/* Never changes: a Deployment's selector cannot, and the policies of tenants name the pods by it. */}}
{{- define "imageplane.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "imageplane.image" -}}
{{ printf "%s/%s:%s" (trimSuffix "/" .root.Values.images.registry) .image (.root.Values.images.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{/* Nothing in it changes but with the configuration: an upgrade restarts what it changes. Takes root, name, values, config. */}}
{{- define "imageplane.podMetadata" -}}
metadata:
  labels:
    app.kubernetes.io/part-of: imageplane
    {{- include "imageplane.selector" . | nindent 4 }}
  annotations:
    checksum/config: {{ sha256sum .config }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "imageplane.podSettings" -}}
automountServiceAccountToken: {{ .token | default false }}
serviceAccountName: imageplane-{{ .name }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Takes root, image, values. */}}
{{- define "imageplane.container" -}}
image: {{ include "imageplane.image" . }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
{{- end }}

{{/* Probes on the port named metrics. */}}
{{- define "imageplane.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 3
  timeoutSeconds: 5
{{- end }}

{{- define "imageplane.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: imageplane-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "imageplane.labelsOf" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{- define "imageplane.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: imageplane-{{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "imageplane.labelsOf" . | nindent 4 }}
data:
  config.json: |
    {{- .config | nindent 4 }}
{{- end }}

{{/* Rules of NetworkPolicies. */}}
{{- define "imageplane.egress.dns" -}}
- to:
    {{- toYaml .Values.networkPolicies.dns | nindent 4 }}
  ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}

{{- define "imageplane.egress.kubernetes" -}}
- {{- with .Values.networkPolicies.kubernetesApi.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range .Values.networkPolicies.kubernetesApi.ports }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

{{- define "imageplane.egress.database" -}}
{{- if .Values.postgres.trial.enabled -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels:
          {{- include "imageplane.selector" (dict "root" . "name" "postgres") | nindent 10 }}
  ports:
    - { port: 5432, protocol: TCP }
{{- else -}}
- {{- with .Values.postgres.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - { port: {{ .Values.postgres.port }}, protocol: TCP }
{{- end }}
{{- end }}

{{- define "imageplane.ingress.metrics" -}}
{{- with .root.Values.networkPolicies.metricsFrom }}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - { port: {{ $.port }}, protocol: TCP }
{{- end }}
{{- end }}

{{/* Connection to Postgres, as the programs' configuration has it. Takes root, user and file. */}}
{{- define "imageplane.database" -}}
{{- $postgres := .root.Values.postgres -}}
{{- $database := dict "user" .user "passwordFile" .file -}}
{{- if $postgres.trial.enabled -}}
{{- $_ := set $database "host" (printf "imageplane-postgres.%s.svc" .root.Release.Namespace) -}}
{{- $_ := set $database "port" 5432 -}}
{{- $_ := set $database "database" "imageplane" -}}
{{- else -}}
{{- $_ := set $database "host" $postgres.host -}}
{{- $_ := set $database "port" (int $postgres.port) -}}
{{- $_ := set $database "database" $postgres.database -}}
{{- if $postgres.tls.enabled -}}
{{- $tls := dict -}}
{{- if $postgres.tls.caConfigMap -}}
{{- $_ := set $tls "caFile" "/etc/imageplane-postgres-ca/ca.crt" -}}
{{- end -}}
{{- $_ := set $database "tls" $tls -}}
{{- end -}}
{{- end -}}
{{- toJson $database -}}
{{- end }}

{{- define "imageplane.databaseCaMount" -}}
{{- if and .Values.postgres.host .Values.postgres.tls.enabled .Values.postgres.tls.caConfigMap }}
- { name: postgres-ca, mountPath: /etc/imageplane-postgres-ca, readOnly: true }
{{- end }}
{{- end }}

{{- define "imageplane.databaseCaVolume" -}}
{{- if and .Values.postgres.host .Values.postgres.tls.enabled .Values.postgres.tls.caConfigMap }}
- name: postgres-ca
  configMap:
    name: {{ .Values.postgres.tls.caConfigMap }}
{{- end }}
{{- end }}

{{- define "imageplane.serviceMonitor" -}}
{{- with .root.Values.monitoring.serviceMonitor }}
{{- if .enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: imageplane-{{ $.name }}
  namespace: {{ $.namespace }}
  labels:
    {{- include "imageplane.labelsOf" $ | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "imageplane.selector" $ | nindent 6 }}
      imageplane.dev/metrics: 'true'
  endpoints:
    - port: metrics
      interval: {{ .interval }}
{{- end }}
{{- end }}
{{- end }}

{{- define "imageplane.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  name: imageplane-{{ .name }}-metrics
  namespace: {{ .namespace }}
  labels:
    {{- include "imageplane.labelsOf" . | nindent 4 }}
    imageplane.dev/metrics: 'true'
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "imageplane.selector" . | nindent 4 }}
  ports:
    - { name: metrics, port: 9090, targetPort: metrics }
{{- end }}

{{- define "imageplane.authorities.env" -}}
{{- if .Values.authorities.configMap }}
- { name: NODE_EXTRA_CA_CERTS, value: /etc/imageplane-authorities/ca.crt }
{{- end }}
{{- end }}

{{- define "imageplane.authorities.mount" -}}
{{- if .Values.authorities.configMap }}
- { name: authorities, mountPath: /etc/imageplane-authorities, readOnly: true }
{{- end }}
{{- end }}

{{- define "imageplane.authorities.volume" -}}
{{- with .Values.authorities.configMap }}
- name: authorities
  configMap: { name: {{ . }} }
{{- end }}
{{- end }}
