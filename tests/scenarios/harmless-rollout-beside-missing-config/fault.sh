#!/usr/bin/env bash
# Two rollouts at the same time: one is slow and healthy, the other refers to a ConfigMap that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: menu-api
  namespace: ${NS}
  labels:
    app: menu-api
spec:
  replicas: 2
  selector:
    matchLabels:
      app: menu-api
  template:
    metadata:
      labels:
        app: menu-api
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
          sleep 6
          mkdir -p /srv && echo menu-api >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: SEASON
          value: winter
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
k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: menu-web
  namespace: ${NS}
  labels:
    app: menu-web
spec:
  replicas: 1
  selector:
    matchLabels:
      app: menu-web
  template:
    metadata:
      labels:
        app: menu-web
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
          mkdir -p /srv && echo menu-web >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: theme
          mountPath: /theme
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
      volumes:
      - name: theme
        configMap:
          name: menu-web-winter
YAML
