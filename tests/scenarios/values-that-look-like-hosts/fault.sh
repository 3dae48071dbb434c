#!/usr/bin/env bash
# Negative control: a rollout sets variables that look like hosts and ports but name queues, versions, times and hosts outside
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: order-intake
  namespace: ${NS}
  labels:
    app: order-intake
spec:
  replicas: 1
  selector:
    matchLabels:
      app: order-intake
  template:
    metadata:
      labels:
        app: order-intake
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
          mkdir -p /srv && echo order-intake >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: QUEUE
          value: orders-high
        - name: RELEASE
          value: order-intake:2.8
        - name: OPENING
          value: 08:30
        - name: PARTNER_URL
          value: https://api.partner.example.org:8443/v2
        - name: TOPIC
          value: orders.created
        - name: OWN_URL
          value: http://order-intake:8080
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
YAML
