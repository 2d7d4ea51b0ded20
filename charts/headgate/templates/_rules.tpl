{{/*
What the operator may do in a namespace that it looks after, and nothing more. Server-side apply asks for patch; what is
new is created, and what is found under its name is read before it is touched.
*/}}
{{- define "headgate.namespaceRules" -}}
# What users own is read; only its status is written.
- apiGroups: [headgate.dev]
  resources: [gatewayfleets, kafkaproducerprofiles, eventrepos]
  verbs: [get, list, watch]
- apiGroups: [headgate.dev]
  resources: [gatewayfleets/status, kafkaproducerprofiles/status, eventrepos/status]
  verbs: [patch]
# Children name their fleet as an owner that waits for them: some clusters (OpenShift) ask for this right then.
- apiGroups: [headgate.dev]
  resources: [gatewayfleets/finalizers]
  verbs: [update]
# Children of a fleet.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
# Secrets are fetched by the names that profiles and repos give, never listed or watched. A canary's own goes with the
# canary, by its name; the fleet's goes with the fleet.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
# Claims of gateways' spools are made by the StatefulSet's controller, and by nobody deleted.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch]
# ControllerRevisions hold what is promoted of each repo, and what was before.
- apiGroups: [apps]
  resources: [deployments, statefulsets, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
# Gateway pods: found by label (among all pods of the namespace, where it is to be known which are gone), and annotated
# so that kubelets refresh their volumes at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* Reading what is cluster-wide: labels of namespaces, and which resource types there are. */}}
{{- define "headgate.discoveryRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [get, list, watch]
{{- end -}}
