#!/usr/bin/env bash
# A workload uses the short name of a Service that lives in another namespace
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: price-tags
  namespace: ${NS}
  labels:
    app: price-tags
spec:
  replicas: 1
  selector:
    matchLabels:
      app: price-tags
  template:
    metadata:
      labels:
        app: price-tags
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "price-tags: Get http://exchange-rates:8080/eur: dial tcp: lookup exchange-rates: no such host"; sleep 4; done'
        env:
        - name: RATES_URL
          value: http://exchange-rates:8080
YAML
