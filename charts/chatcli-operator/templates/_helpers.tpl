{{/* Name of the chart, as a label. */}}
{{- define "chatcli-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of the objects: the release's, with the chart's unless that is in it. */}}
{{- define "chatcli-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels that never change: the selector of the Deployment is immutable. */}}
{{- define "chatcli-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "chatcli-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chatcli-operator.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: chatcli
{{- end }}

{{- define "chatcli-operator.labels" -}}
{{ include "chatcli-operator.commonLabels" . }}
{{ include "chatcli-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of the Jobs of hooks. Not those of the selector: the Service must not find their pods. */}}
{{- define "chatcli-operator.hookLabels" -}}
{{ include "chatcli-operator.commonLabels" . }}
app.kubernetes.io/name: {{ include "chatcli-operator.name" . | trunc 57 }}-hook
app.kubernetes.io/component: hook
{{- end }}

{{- define "chatcli-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "chatcli-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "chatcli-operator.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion | toString) }}
{{- end }}

{{/* Image of the hooks' Jobs. */}}
{{- define "chatcli-operator.hookImage" -}}
{{- $image := .Values.crdUpgrade.image }}
{{- if hasSuffix "/kubectl" (printf "/%s" $image.repository) }}
{{- fail (printf "crdUpgrade.image.repository: %s is an image of kubectl, but the hook runs `chatcli crds --apply`; remedy: remove crdUpgrade.image from your values, the operator's own image is used" $image.repository) }}
{{- end }}
{{- printf "%s:%s" (default .Values.image.repository $image.repository) ($image.tag | default .Values.image.tag | default .Chart.AppVersion | toString) }}
{{- end }}

{{/* A pod of a hook. Arguments: root, account, args. */}}
{{- define "chatcli-operator.hookPod" -}}
{{- $root := .root }}
metadata:
  labels:
    {{- include "chatcli-operator.hookLabels" $root | nindent 4 }}
spec:
  serviceAccountName: {{ .account }}
  enableServiceLinks: false
  restartPolicy: Never
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: chatcli
      image: {{ include "chatcli-operator.hookImage" $root | quote }}
      imagePullPolicy: {{ default $root.Values.image.pullPolicy $root.Values.crdUpgrade.image.pullPolicy }}
      command: [chatcli]
      args:
        {{- toYaml .args | nindent 8 }}
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      resources:
        {{- toYaml $root.Values.crdUpgrade.resources | nindent 8 }}
  {{- with $root.Values.crdUpgrade.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.crdUpgrade.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The account of a hook, with its role. Arguments: root, name, hook, rules. */}}
{{- define "chatcli-operator.hookAccount" -}}
{{- $root := .root }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "chatcli-operator.hookLabels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels:
    {{- include "chatcli-operator.hookLabels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "chatcli-operator.hookLabels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
