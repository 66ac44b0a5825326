{{/* The labels of a component: (dict "component" "api"), for workers and ComfyUIs also "pool". */}}
{{- define "fleet.labels" -}}
app.kubernetes.io/name: {{ has .component (list "comfyui" "redis") | ternary (print "comfy-fleet-" .component) "comfy-fleet" }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
comfy-fleet/pool: {{ . }}
{{- end }}
{{- end }}

{{/* An entry of `pools` with the defaults. */}}
{{- define "fleet.pool" -}}
{{- toJson (mustMergeOverwrite (deepCopy .root.Values.poolDefaults) .pool) }}
{{- end }}

{{- define "fleet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "fleet.claim" -}}
{{ index .root.Values.volumes .name "existingClaim" | default (ternary "frames" (print "comfyui-" .name) (eq .name "frames")) }}
{{- end }}

{{/* The settings of all processes. `settings` must not set what other values determine: pods would contradict each other. */}}
{{- define "fleet.settings" -}}
{{- $settings := dict "REDIS_URL_FILE" "/secrets/redis/url" "FRAMES_STORE" .Values.frames.store }}
{{- if .Values.redis.ca }}{{ $_ := set $settings "REDIS_CA_FILE" "/secrets/redis/ca.crt" }}{{ end }}
{{- if eq .Values.redis.mode "sentinel" }}
{{- $_ := set $settings "REDIS_SENTINELS" (join "," .Values.redis.sentinels) }}
{{- $_ := set $settings "REDIS_SENTINEL_NAME" .Values.redis.sentinelName }}
{{- end }}
{{- if eq .Values.frames.store "s3" }}
{{- $_ := set $settings "S3_BUCKET" .Values.frames.s3.bucket }}
{{- with .Values.frames.s3.region }}{{ $_ := set $settings "S3_REGION" . }}{{ end }}
{{- end }}
{{- if .Values.ingress.enabled }}{{ $_ := set $settings "PUBLIC_URL" (print "https://" .Values.ingress.host) }}{{ end }}
{{- $ofPods := list "HOST" "PORT" "REDIS_URL" "FRAMES_DIR" "WORKER_NAME" "WORKER_POOLS" "COMFYUI_URLS" "COMFYUI_MODELS_DIR" "MODEL_CREDENTIALS_FILE" }}
{{- range $name := keys .Values.settings | sortAlpha }}
{{- if or (hasKey $settings $name) (has $name $ofPods) }}
{{- fail (printf "settings.%s: the chart sets it from other values; use those" $name) }}
{{- end }}
{{- end }}
{{- toYaml (merge (dict) .Values.settings $settings) }}
{{- end }}

{{/* The common part of every pod's spec. */}}
{{- define "fleet.pod" -}}
serviceAccountName: comfy-fleet
automountServiceAccountToken: false
enableServiceLinks: false
imagePullSecrets: {{ toJson .Values.imagePullSecrets }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "fleet.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* Spreads the replicas of a Deployment over nodes and zones. */}}
{{- define "fleet.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: { matchLabels: {{ include "fleet.labels" $ | fromYaml | toJson }} }
  {{- end }}
{{- end }}

{{/*
The container of a process: (dict "root" $ "role" "api" "ports" (dict …) "health" "http" "env" (list …) "mounts" (list …)
"resources" …), followed by the volumes of its pod, to which "volumes" are added.
*/}}
{{- define "fleet.process" -}}
{{- $values := .root.Values }}
{{- $hasKeys := and $values.secrets.keys (ne .role "worker") }}
{{- $hasBucket := eq $values.frames.store "s3" }}
{{- $env := .env | default list }}
{{- if $hasKeys }}{{ $env = append $env (dict "name" "API_KEYS_FILE" "value" "/secrets/keys/keys.json") }}{{ end }}
{{- if $hasBucket }}{{ $env = append $env (dict "name" "AWS_SHARED_CREDENTIALS_FILE" "value" "/secrets/s3/credentials") }}{{ end -}}
containers:
  - name: {{ .role }}
    image: {{ include "fleet.image" .root }}
    args: [{{ .role }}]
    envFrom: [{ configMapRef: { name: settings } }]
    env: {{ toJson $env }}
    ports:
      {{- range $name, $port := .ports }}
      - { name: {{ $name }}, containerPort: {{ $port }} }
      {{- end }}
    startupProbe: { httpGet: { path: /livez, port: {{ .health }} }, periodSeconds: 2, failureThreshold: 30 }
    livenessProbe: { httpGet: { path: /livez, port: {{ .health }} }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
    readinessProbe: { httpGet: { path: /readyz, port: {{ .health }} }, periodSeconds: 3, timeoutSeconds: 3, failureThreshold: 2 }
    resources: {{ toJson .resources }}
    {{- include "fleet.container" . | nindent 4 }}
    volumeMounts:
      - { name: tmp, mountPath: /tmp }
      - { name: redis, mountPath: /secrets/redis, readOnly: true }
      {{- if $hasKeys }}
      - { name: keys, mountPath: /secrets/keys, readOnly: true }
      {{- end }}
      {{- if $hasBucket }}
      - { name: s3, mountPath: /secrets/s3, readOnly: true }
      {{- else }}
      - { name: frames, mountPath: /data/frames }
      {{- end }}
      {{- with .mounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - { name: tmp, emptyDir: { sizeLimit: 1Gi } }
  - { name: redis, secret: { secretName: {{ $values.secrets.redis }} } }
  {{- if $hasKeys }}
  - { name: keys, secret: { secretName: {{ $values.secrets.keys }} } }
  {{- end }}
  {{- if $hasBucket }}
  - { name: s3, secret: { secretName: {{ $values.secrets.s3 }}, optional: true } }
  {{- else }}
  - { name: frames, persistentVolumeClaim: { claimName: {{ include "fleet.claim" (dict "root" .root "name" "frames") }} } }
  {{- end }}
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* One rule of a network policy: (dict "cidrs" (list …) "ports" (list …)). */}}
{{- define "fleet.egress" -}}
- to:
    {{- range .cidrs }}
    - ipBlock: { cidr: {{ . | quote }} }
    {{- end }}
  ports:
    {{- range .ports }}
    - port: {{ . }}
    {{- end }}
{{- end }}
