{{- define "imageplane.api.config" -}}
{{- dict
  "logLevel" .Values.logLevel
  "listen" (dict "host" "0.0.0.0" "port" 8080)
  "internal" (dict "host" "0.0.0.0" "port" 8081)
  "intake" (dict "host" "0.0.0.0" "port" 8082)
  "database" (include "imageplane.database" (dict "root" . "user" (ternary "imageplane_owner" .Values.postgres.owner .Values.postgres.trial.enabled) "file" "/etc/imageplane-database/password") | fromJson)
  "objects" (dict "kubernetes" (dict "usageIntervalSeconds" (int .Values.api.usageIntervalSeconds)))
  "assertionJwks" "/etc/imageplane-jwks/jwks.json"
  "snapshotKey" "/etc/imageplane-keys/snapshot.private.jwk.json"
  "internalTokenFile" "/etc/imageplane-keys/internal.token"
  "secretsKeyFile" "/etc/imageplane-keys/secrets.key"
  "sessions" (dict "key" "/etc/imageplane-keys/session.private.jwk.json" "sealKeyFile" "/etc/imageplane-keys/session.seal.key")
  "tokenIssuers" .Values.api.tokenIssuers
  "identityProviders" .Values.api.identityProviders
  "unusedDays" (int .Values.api.unusedDays)
  "retentionMonths" (int .Values.api.retentionMonths)
  "recheck" .Values.api.recheck
  | toPrettyJson }}
{{- end }}
