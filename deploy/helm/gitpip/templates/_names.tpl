{{- define "gitpip.labels" -}}
app.kubernetes.io/name: gitpip
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* What all pods of gitpip have, whatever their part, and the database's does not. */}}
{{- define "gitpip.selector" -}}
app.kubernetes.io/name: gitpip
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end }}

{{- define "gitpip.databaseSelector" -}}
app.kubernetes.io/name: gitpip
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: database
{{- end }}

{{- define "gitpip.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* What is deployed: one part that does all, or one that works and one that shows; each under a
name of its own, because what a deployment selects can't be changed. */}}
{{- define "gitpip.parts" -}}
{{- if .Values.web.replicas }}
- {name: {{ .Release.Name }}-work, part: work, replicas: {{ .Values.replicas }}}
- {name: {{ .Release.Name }}-web, part: web, replicas: {{ .Values.web.replicas }}}
{{- else }}
- {name: {{ .Release.Name }}, part: all, replicas: {{ .Values.replicas }}}
{{- end }}
{{- end }}
