{{/* Names and labels that several templates share. */}}

{{- define "headgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "headgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "headgate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "headgate.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "headgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "headgate.name" . }}-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headgate.labels" -}}
{{ include "headgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: headgate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "headgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "headgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "headgate.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "headgate.fleetNamespace" -}}
{{- default .Release.Namespace .Values.defaultFleet.namespace -}}
{{- end -}}

{{/* The security of every container here: what the restricted pod security standard asks for, and a read-only root. */}}
{{- define "headgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "headgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The default fleet, as JSON: what apply_fleet.py hands to the API server. */}}
{{- define "headgate.fleetManifest" -}}
{{- $image := .Values.defaultFleet.image -}}
{{- $spec := mustMergeOverwrite
      (dict
        "image" (printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag))
        "imagePullPolicy" $image.pullPolicy)
      (deepCopy .Values.defaultFleet.spec) -}}
{{- dict
      "apiVersion" "headgate.dev/v1alpha1"
      "kind" "GatewayFleet"
      "metadata" (dict
        "name" .Values.defaultFleet.name
        "namespace" (include "headgate.fleetNamespace" .)
        "labels" (dict "app.kubernetes.io/part-of" "headgate"))
      "spec" $spec
    | toJson -}}
{{- end -}}
