{{/* What people of a tenant see of what runs for them: never Secrets, never a way into a pod. */}}
{{- define "imageplane.seen" -}}
- apiGroups: ['']
  resources: [pods, pods/log, services, events, resourcequotas, limitranges, configmaps]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, replicasets]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch]
{{- end }}
