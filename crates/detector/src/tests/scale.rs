//! How long the first look takes, how much a pod weighs, and how fast a change is told. Figures are printed; the bounds
//! are wide, because the machine may be busy and the build is not optimised.

use std::time::{Duration, Instant as Wall};

use super::*;
use crate::seen::Specs;

const WORKLOADS: usize = 500;
const PODS: usize = 10;

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// A pod as a cluster has it, with everything that nobody reads.
fn full_pod(workload: &str, index: usize) -> Value {
    let name = format!("{workload}-1-{index}");
    let now = "2026-03-01T09:00:00Z";
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}));
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("00000000-0000-0000-0000-{name}"), "resourceVersion": format!("{index}"), "creationTimestamp": now,
            "labels": {"app": workload, "pod-template-hash": "h1", "tier": "backend", "team": "shop"}, "annotations": {"note": "x".repeat(200)},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{workload}-1"), "uid": format!("uid-{workload}-1"), "controller": true, "blockOwnerDeletion": true}]},
        "spec": {"nodeName": format!("node-{index}"), "serviceAccountName": "default", "schedulerName": "default-scheduler", "restartPolicy": "Always",
            "containers": [{"name": "app", "image": format!("registry.invalid/{workload}:1.0"), "env": [{"name": "MODE", "value": "fast"}], "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "16Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}}, "volumeMounts": [{"name": format!("kube-api-access-{index}"), "mountPath": "/var/run/secrets"}]}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            "volumes": [{"name": format!("kube-api-access-{index}"), "projected": {"sources": []}}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "hostIP": "10.1.1.1", "startTime": now, "qosClass": "Burstable",
            "conditions": conditions,
            "containerStatuses": [{"name": "app", "image": format!("registry.invalid/{workload}:1.0"), "imageID": "sha256:".to_owned() + &"a".repeat(64), "containerID": "containerd://".to_owned() + &"b".repeat(64), "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": now}}}]},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_look_at_500_workloads_and_5000_pods_is_quick_and_small() {
    let clock = Arc::new(RuntimeClock { began: Instant::now() });
    let (objects, api, specs) = (Objects::default(), FakeApi::new(), Specs::default());
    let before = resident_mib();
    for number in 0..WORKLOADS {
        let name = format!("workload-{number}");
        let meta = |name: &str| json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "annotations": {"deployment.kubernetes.io/revision": "1"}, "labels": {"pod-template-hash": "h1"}});
        objects
            .deployments
            .apply(read(json!({"metadata": meta(&name), "spec": {"replicas": PODS, "selector": {}, "template": {}}})));
        let mut set = meta(&format!("{name}-1"));
        set["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": format!("uid-{name}"), "controller": true}]);
        let spec = full_pod(&name, 0)["spec"].clone();
        objects.sets.apply(read(json!({"metadata": set, "spec": {"replicas": PODS, "selector": {}, "template": {"spec": spec}}, "status": {"replicas": PODS, "readyReplicas": PODS}})));
        for index in 0..PODS {
            let mut pod: Seen<Pod> = read(full_pod(&name, index));
            specs.share(&mut pod);
            objects.pods.apply(pod);
        }
    }
    let filled = resident_mib();
    let began = Wall::now();
    let (detector, _env) = on(&objects, &clock, &api).await;
    let took = began.elapsed();
    println!(
        "first look: {took:?}; the caches take {:.1} MiB, with the first look {:.1} MiB",
        filled - before,
        resident_mib() - before
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(detector.counts(), crate::Counts { workloads: WORKLOADS, pods: WORKLOADS * PODS, alerts: 0 });
    assert!(resident_mib() - before < 60.0);

    // A change of one pod among all these is told fast.
    let (_, mut news) = detector.watch();
    let mut times = Vec::new();
    for number in 0..50 {
        let name = format!("workload-{number}");
        let mut pod = full_pod(&name, 0);
        pod["metadata"]["resourceVersion"] = json!("changed");
        pod["status"] = waiting("2026-03-01T09:00:00Z", "ErrImagePull", "not found");
        let pod = read(pod);
        let began = Wall::now();
        objects.pods.apply(pod);
        news.recv().await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("change to alert: p50 {:?}, most {:?}", times[25], times[49]);
    // The median: the machine may be busy.
    assert!(times[25] < Duration::from_millis(20), "{times:?}");
}
