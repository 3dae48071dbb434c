#!/usr/bin/env bash
# The strategy of a workload with a host port is changed from Recreate to a rolling update that may not stop a pod first; on the only node its new pod waits for the port of the old one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment ray-port --type=json -p '[{"op": "replace", "path": "/spec/strategy", "value": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}, {"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "2"}]'
