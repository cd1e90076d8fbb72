{{/* The first part of every object's name. */}}
{{- define "greenroom.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $whole := contains $name $release | ternary $release (printf "%s-%s" $release $name) -}}
{{- $fullname := default $whole .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]" $fullname) -}}
{{- fail (printf "a Service's name must begin with a letter, and %s does not: set fullnameOverride" $fullname) -}}
{{- end -}}
{{- $fullname -}}
{{- end -}}

{{/* What picks the pods of one component; takes a dict of root and component. It never changes in an upgrade. */}}
{{- define "greenroom.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "greenroom.labels" -}}
{{ include "greenroom.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name, namespace and labels of an object; takes a dict of root, component and name. */}}
{{- define "greenroom.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "greenroom.labels" . | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of a component's pods; takes a dict of root, component and values (of the component). */}}
{{- define "greenroom.podMetadata" -}}
labels:
  {{- include "greenroom.labels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "greenroom.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What all pods share; takes a dict of root, account, values (of the component), secrets to mount, and `token`: with it
the account's token is not for the API server; its `file`, where set, is where one for its `audience` is. */}}
{{- define "greenroom.pod" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: {{ not (hasKey . "token") }}
# The variables that Kubernetes makes of Services begin with the Service's name, and so may look like our settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
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
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 256Mi
{{- range .secrets }}
  - name: {{ .name }}
    secret:
      secretName: {{ .secret }}
{{- end }}
{{- if dig "token" "file" "" . }}
  - name: token
    projected:
      sources:
        - serviceAccountToken:
            path: {{ base .token.file }}
            {{- with .token.audience }}
            audience: {{ . | quote }}
            {{- end }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{/* What all containers share; takes a dict of root, values (of the component) and secrets to mount. */}}
{{- define "greenroom.container" -}}
image: {{ include "greenroom.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- range .secrets }}
  - name: {{ .name }}
    mountPath: {{ .path }}
    readOnly: true
{{- end }}
{{- with dig "token" "file" "" . }}
  - name: token
    mountPath: {{ dir . }}
    readOnly: true
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{/* Spread over nodes as far as there are some; takes a dict of root and component. */}}
{{- define "greenroom.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    # Of one revision: while the next one comes up, its pods spread by themselves.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "greenroom.selector" . | nindent 8 }}
{{- end -}}
