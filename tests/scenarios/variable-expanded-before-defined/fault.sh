#!/usr/bin/env bash
# A variable refers to another one that is defined after it, so the text $(SITE_HOST) stays as it is
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k replace -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: beacon
  namespace: ${NS}
  labels:
    app: beacon
spec:
  replicas: 1
  selector:
    matchLabels:
      app: beacon
  template:
    metadata:
      labels:
        app: beacon
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          case "$SITE_URL" in *'$('*) echo "beacon: invalid URL $SITE_URL: bad host"; sleep 1; exit 1;; esac
          while true; do echo "beacon: site is up"; sleep 5; done
        env:
        - name: SITE_URL
          value: https://$(SITE_HOST)/ping
        - name: SITE_HOST
          value: site.example.org
YAML
