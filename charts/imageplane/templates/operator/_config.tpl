{{- define "imageplane.operator.config" -}}
{{- $config := dict
  "logLevel" .Values.logLevel
  "systemNamespace" .Release.Namespace
  "dmzNamespace" .Values.dmz.namespace
  "images" (dict "inferenceServer" (include "imageplane.image" (dict "root" . "image" "inference-server")))
  "imagePullPolicy" .Values.images.pullPolicy
  "modelStoreUrl" (printf "http://imageplane-model-store.%s.svc:8080" .Release.Namespace)
  "usageUrl" (printf "http://imageplane-api-intake.%s.svc:8082/v1/usage-events" .Release.Namespace)
  "publicUrl" (printf "https://%s%s" (first .Values.gateway.hosts) (ternary "" (printf ":%d" (int .Values.gateway.service.port)) (eq (int .Values.gateway.service.port) 443)))
  "metricsFrom" .Values.networkPolicies.metricsFrom
  "dns" .Values.networkPolicies.dns
  "leaderElection" .Values.operator.leaderElection
  "metrics" (dict "host" "0.0.0.0" "port" 9090) }}
{{- toPrettyJson (mergeOverwrite $config .Values.operator.config) }}
{{- end }}
