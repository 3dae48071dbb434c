#!/usr/bin/env bash
# A spread constraint with DoNotSchedule uses a topology key that no node has
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tannery
  namespace: ${NS}
  labels:
    app: tannery
spec:
  replicas: 2
  selector:
    matchLabels:
      app: tannery
  template:
    metadata:
      labels:
        app: tannery
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          mkdir -p /srv && echo tannery >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: topology.kubernetes.io/rack
        whenUnsatisfiable: DoNotSchedule
        labelSelector:
          matchLabels:
            app: tannery
YAML
