#!/usr/bin/env bash
# A rollout names a database host that does not exist; the program stops with a Java stack trace
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: fare-calc
  namespace: ${NS}
  labels:
    app: fare-calc
spec:
  replicas: 1
  selector:
    matchLabels:
      app: fare-calc
  template:
    metadata:
      labels:
        app: fare-calc
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'printf ''Exception in thread "main" org.postgresql.util.PSQLException: The connection attempt failed.\n\tat org.postgresql.core.v3.ConnectionFactoryImpl.openConnectionImpl(ConnectionFactoryImpl.java:331)\n\tat com.example.fares.Main.main(Main.java:17)\nCaused by: java.net.UnknownHostException: fares-db\n\tat java.base/java.net.InetAddress$CachedLookup.get(InetAddress.java:988)\n''; sleep 1; exit 1'
        env:
        - name: DB_URL
          value: jdbc:postgresql://fares-db:5432/fares
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
