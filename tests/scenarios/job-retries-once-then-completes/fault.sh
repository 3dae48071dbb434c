#!/usr/bin/env bash
# Negative control: the first attempt of a Job fails, the second one inside the same pod succeeds, as its restart policy foresees
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: stock-import
  namespace: ${NS}
  labels:
    app: stock-import
spec:
  backoffLimit: 4
  template:
    metadata:
      labels:
        app: stock-import
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: import
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          if [ ! -e /state/seen ]; then touch /state/seen; echo "lock is taken, trying again"; exit 1; fi
          sleep 3; echo "import: 412 rows"
        volumeMounts:
        - name: state
          mountPath: /state
      restartPolicy: OnFailure
      volumes:
      - name: state
        emptyDir: {}
YAML
