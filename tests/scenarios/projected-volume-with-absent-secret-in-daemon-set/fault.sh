#!/usr/bin/env bash
# One of three sources in the projected volume of a DaemonSet names a Secret in the plural; the new pod never gets its volume
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: alder-post
  namespace: ${NS}
  labels:
    app: alder-post
spec:
  selector:
    matchLabels:
      app: alder-post
  template:
    metadata:
      labels:
        app: alder-post
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: post
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "alder-post: posted"; sleep 5; done'
        volumeMounts:
        - name: all
          mountPath: /all
          readOnly: true
      volumes:
      - name: all
        projected:
          sources:
          - downwardAPI:
              items:
              - path: labels
                fieldRef:
                  fieldPath: metadata.labels
          - configMap:
              name: alder-facts
          - secret:
              name: alder-keys
              items:
              - key: key
                path: key
YAML
