#!/usr/bin/env bash
# Negative control: a Service without selector is added with an EndpointSlice of its own, for a database outside the cluster
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: grain-db
  namespace: ${NS}
spec:
  ports:
  - name: sql
    port: 5432
    targetPort: 5432
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: grain-db-1
  namespace: ${NS}
  labels:
    kubernetes.io/service-name: grain-db
addressType: IPv4
ports:
- name: sql
  protocol: TCP
  port: 5432
endpoints:
- addresses:
  - 192.0.2.20
  conditions:
    ready: true
YAML
k set env deployment grain-scale GRAIN_DB=postgres://grain-db:5432/weights
