{{- define "imageplane.gateway.config" -}}
{{- $config := dict
  "logLevel" .Values.logLevel
  "listen" (dict "host" "0.0.0.0" "port" 8443)
  "tls" (dict "certFile" "/etc/imageplane-tls/tls.crt" "keyFile" "/etc/imageplane-tls/tls.key")
  "metrics" (dict "host" "0.0.0.0" "port" 9090)
  "hosts" .Values.gateway.hosts
  "trustedProxies" .Values.gateway.trustedProxies
  "api" (dict "url" (printf "http://imageplane-api.%s.svc:8080" .Release.Namespace))
  "snapshot" (dict
    "url" (printf "http://imageplane-api.%s.svc:8081/internal/v1/snapshot" .Release.Namespace)
    "tokenFile" "/etc/imageplane-keys/internal.token"
    "publicKey" "/etc/imageplane-keys/snapshot.public.jwk.json"
    "cache" "/var/lib/imageplane/snapshot/snapshot.jws"
    "maxAgeSeconds" (int .Values.gateway.snapshotMaxAgeSeconds))
  "assertionKey" "/etc/imageplane-keys/assertion.private.jwk.json"
  "secretsKeyFile" "/etc/imageplane-keys/secrets.key"
  "database" (include "imageplane.database" (dict "root" . "user" "imageplane_gateway" "file" "/etc/imageplane-database/password") | fromJson)
  "outbox" "/var/lib/imageplane/outbox"
  "spool" "/var/spool/imageplane"
  "degraded" (dict "requestsPerTenant" (int .Values.gateway.degradedRequestsPerTenant)) }}
{{- if .Values.valkey.url }}
{{- /* Those that are going and those that are coming count together for a while. */}}
{{- $shared := dict "url" .Values.valkey.url "gateways" (mul 2 (int .Values.gateway.replicas)) }}
{{- if .Values.valkey.password.name }}
{{- $_ := set $shared "passwordFile" "/etc/imageplane-valkey/password" }}
{{- end }}
{{- $_ := set $config "sharedLimits" $shared }}
{{- end }}
{{- toPrettyJson $config }}
{{- end }}
