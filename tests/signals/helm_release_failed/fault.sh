#!/usr/bin/env bash
# A release, and an upgrade of it that fails
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
export HELM_CACHE_HOME=$dir HELM_CONFIG_HOME=$dir HELM_DATA_HOME=$dir
mkdir -p "$dir/till/templates"
cat >"$dir/till/Chart.yaml" <<'YAML'
apiVersion: v2
name: till
version: 1.0.0
YAML
cat >"$dir/till/templates/service.yaml" <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: till
spec:
  selector:
    app: page
  ports:
  - name: http
    port: {{ .Values.port }}
    targetPort: 8080
YAML
helm -n "${NS}" install till "$dir/till" --set port=80
if helm -n "${NS}" upgrade till "$dir/till" --set port=80080; then
  echo "the upgrade was to fail"
  exit 1
fi
