use std::collections::BTreeMap;

use api::shared::SignalType;
use serde_json::{Value, json};

use super::*;
use crate::detection::Transition;

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn notice(labels: &[(&str, &str)]) -> Notice {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Notice { firing: true, labels, starts_at: Some(after(-3)), ..Notice::default() }
}

/// A cluster with a Deployment, a StatefulSet, the exporters, and two nodes.
struct Shop;

impl Objects for Shop {
    fn workload(&self, kind: &str, namespace: &str, name: &str) -> Option<ObjectRef> {
        let (kind, name) = match (kind, namespace, name) {
            ("Pod", "shop", "web-5d9c7b8f6d-x2x1z")
            | ("ReplicaSet", "shop", "web-5d9c7b8f6d")
            | ("Deployment", "shop", "web") => ("Deployment", "web"),
            ("StatefulSet", "shop", "db") => ("StatefulSet", "db"),
            ("Pod", "monitoring", "node-exporter-abcde") => ("DaemonSet", "node-exporter"),
            ("Pod", "monitoring", "prom-kube-state-metrics-1-a") => ("Deployment", "prom-kube-state-metrics"),
            ("Service", "shop", "broken") => ("Service", "broken"),
            ("Node", "", "n1" | "n2") => ("Node", name),
            _ => return None,
        };
        let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
        Some(ObjectRef { api_version: None, kind: kind.into(), namespace, name: name.into(), uid: Some("u".into()) })
    }

    fn node_of(&self, namespace: &str, pod: &str) -> Option<String> {
        ((namespace, pod) == ("monitoring", "node-exporter-abcde")).then(|| "n2".to_owned())
    }

    fn node_at(&self, host: &str) -> Option<String> {
        match host {
            "n1" | "10.0.0.1" => Some("n1".to_owned()),
            _ => None,
        }
    }

    fn behind(&self, namespace: &str, service: &str) -> Option<ObjectRef> {
        ((namespace, service) == ("shop", "web-svc")).then(|| self.workload("Deployment", "shop", "web").unwrap())
    }
}

fn placed(labels: &[(&str, &str)]) -> String {
    let object = place(&notice(labels), &Shop).object;
    format!("{}/{}/{}", object.kind, object.namespace.unwrap_or_default(), object.name)
}

#[test]
fn a_real_message_is_read() {
    let payload = Payload::parse(
        json!({
            "receiver": "chatcli", "status": "firing", "version": "4", "groupKey": "{}:{alertname=\"KubePodCrashLooping\"}",
            "truncatedAlerts": 2, "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am",
            "alerts": [
                {"status": "firing", "labels": {"alertname": "KubePodCrashLooping", "namespace": "shop"}, "annotations": {"summary": "s"},
                 "startsAt": "2026-03-01T09:57:00.123Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "0dcb6e4b4ab1e9b0"},
                {"status": "resolved", "labels": {"alertname": "x"}, "annotations": {}, "startsAt": "2026-03-01T09:57:00+01:00", "endsAt": "2026-03-01T09:59:00Z"},
            ],
        })
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    assert_eq!((payload.notices.len(), payload.refused.len(), payload.truncated), (2, 0, 2));
    let first = &payload.notices[0];
    assert!(first.firing && first.ends_at.is_none() && first.starts_at.is_some());
    assert!(!payload.notices[1].firing && payload.notices[1].ends_at.is_some());
    assert_ne!(first.id(), payload.notices[1].id());
}

#[test]
fn what_is_no_message_is_refused_with_the_remedy_and_one_bad_alert_costs_only_itself() {
    for wrong in ["", "x", "[]", "{}", "7", "{\"alerts\": 7}", "{\"alerts\": {}}", "\u{0}"] {
        let said = Payload::parse(wrong.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("remedy"), "{wrong}: {said}");
    }
    let alerts = json!([
        7,
        {"status": "firing"},
        {"status": "firing", "labels": 7},
        {"status": "odd", "labels": {"a": "b"}},
        {"status": "firing", "labels": {"alertname": "good", "number": 7}, "annotations": null, "startsAt": "yesterday"},
        {"labels": {"alertname": "no status"}, "endsAt": "2026-03-01T09:59:00Z"},
    ]);
    let payload = Payload::parse(json!({"alerts": alerts}).to_string().as_bytes()).unwrap();
    assert_eq!((payload.notices.len(), payload.refused.len()), (2, 4));
    assert!(payload.refused[3].starts_with("alerts[3].status"), "{:?}", payload.refused);
    assert_eq!(payload.notices[0].labels["number"], "7");
    assert!(!payload.notices[1].firing);
}

#[test]
fn a_huge_message_is_bounded() {
    let labels: BTreeMap<String, String> = (0..5000).map(|n| (format!("l{n}"), "x".repeat(5000))).collect();
    let alert = json!({"status": "firing", "labels": labels, "annotations": {"summary": "y".repeat(1 << 20)}});
    let many: Vec<Value> =
        (0..10_000).map(|n| json!({"status": "firing", "labels": {"alertname": "a", "n": n.to_string()}})).collect();
    let payload = Payload::parse(json!({"alerts": [alert]}).to_string().as_bytes()).unwrap();
    let one = &payload.notices[0];
    assert!(one.labels.len() <= 128 && one.labels.values().all(|value| value.len() <= 1024));
    let scrubber = Scrubber::new("").unwrap();
    let words = words::Words::of(one, Some(&scrubber));
    assert!(words.message.chars().count() < 1100 && words.labels.chars().count() < 2100);
    let payload = Payload::parse(json!({"alerts": many}).to_string().as_bytes()).unwrap();
    let ids: std::collections::BTreeSet<String> = payload.notices.iter().map(Notice::id).collect();
    assert_eq!(ids.len(), 10_000);
}

#[test]
fn the_most_specific_object_counts_and_never_the_exporter() {
    let ksm = [
        ("namespace", "shop"),
        ("pod", "prom-kube-state-metrics-1-a"),
        ("service", "prom-kube-state-metrics"),
        ("container", "kube-state-metrics"),
        ("job", "kube-state-metrics"),
    ];
    let with = |more: &[(&'static str, &'static str)]| placed(&[&ksm[..], more].concat());
    assert_eq!(with(&[("deployment", "web")]), "Deployment/shop/web");
    assert_eq!(with(&[("statefulset", "db")]), "StatefulSet/shop/db");
    assert_eq!(with(&[("persistentvolumeclaim", "data-db-0")]), "PersistentVolumeClaim/shop/data-db-0");
    assert_eq!(with(&[("horizontalpodautoscaler", "web")]), "HorizontalPodAutoscaler/shop/web");
    assert_eq!(with(&[("job_name", "nightly-1")]), "Job/shop/nightly-1");
    assert_eq!(with(&[]), "Namespace/shop/shop");
    // kube-state-metrics tells of a node from a pod of its own namespace.
    let node = [
        ("namespace", "monitoring"),
        ("pod", "prom-kube-state-metrics-1-a"),
        ("job", "kube-state-metrics"),
        ("node", "n1"),
    ];
    assert_eq!(placed(&node), "Node//n1");
    // `job` is Prometheus' own, not the Kubernetes one.
    assert_eq!(placed(&[("job", "web"), ("namespace", "shop")]), "Namespace/shop/shop");
    assert_eq!(
        placed(&[("exported_namespace", "shop"), ("namespace", "monitoring"), ("deployment", "web")]),
        "Deployment/shop/web"
    );
}

#[test]
fn a_pod_stands_for_its_workload_also_when_it_is_gone() {
    let pod = |name: &'static str| place(&notice(&[("namespace", "shop"), ("pod", name), ("container", "app")]), &Shop);
    let there = pod("web-5d9c7b8f6d-x2x1z");
    assert_eq!(
        (there.object.name.as_str(), there.pod.unwrap().name.as_str(), there.container.as_deref()),
        ("web", "web-5d9c7b8f6d-x2x1z", Some("app"))
    );
    for (gone, kind, name) in [
        ("web-5d9c7b8f6d-zzzzz", "Deployment", "web"),
        ("web-66666-zzzzz", "Deployment", "web"),
        ("db-7", "StatefulSet", "db"),
        ("lonely", "Pod", "lonely"),
        ("api-66666-zzzzz", "Pod", "api-66666-zzzzz"),
    ] {
        let place = pod(gone);
        assert_eq!((place.object.kind.as_str(), place.object.name.as_str(), place.pod), (kind, name, None), "{gone}");
    }
    assert_eq!(placed(&[("namespace", "shop"), ("service", "web-svc")]), "Deployment/shop/web");
    assert_eq!(placed(&[("namespace", "shop"), ("service", "broken")]), "Service/shop/broken");
    assert_eq!(placed(&[("namespace", "shop"), ("service", "scraped-elsewhere")]), "Namespace/shop/shop");
    assert_eq!(
        placed(&[("namespace", "shop"), ("workload", "web"), ("workload_type", "deployment")]),
        "Deployment/shop/web"
    );
}

#[test]
fn an_alert_about_a_node_finds_it_by_name_pod_or_address() {
    let named = |name: &'static str, more: &[(&'static str, &'static str)]| {
        placed(
            &[&[("alertname", name), ("namespace", "monitoring"), ("pod", "node-exporter-abcde")][..], more].concat(),
        )
    };
    assert_eq!(named("KubeNodeNotReady", &[("node", "n1")]), "Node//n1");
    assert_eq!(named("NodeFilesystemAlmostOutOfSpace", &[("instance", "10.0.0.1:9100")]), "Node//n1");
    assert_eq!(named("NodeFilesystemAlmostOutOfSpace", &[("instance", "10.9.9.9:9100")]), "Node//n2");
    assert_eq!(placed(&[("alertname", "HostOutOfMemory"), ("instance", "db7.example:9100")]), "Node//db7.example");
    // An application that happens to run on Node.js is none.
    let app = [("alertname", "NodeJsHeapHigh"), ("namespace", "shop"), ("pod", "web-5d9c7b8f6d-x2x1z"), ("node", "n1")];
    assert_eq!(placed(&app), "Deployment/shop/web");
}

#[test]
fn names_that_no_object_can_have_are_never_taken_over() {
    for wrong in ["", " ", "A_B", "a/b", "../x", "x y", "{{ $labels.pod }}", &"x".repeat(300)] {
        assert_eq!(placed(&[("namespace", "shop"), ("deployment", wrong)]), "Namespace/shop/shop", "{wrong}");
        assert_eq!(placed(&[("namespace", wrong), ("deployment", "web")]), "Cluster//cluster", "{wrong}");
    }
    assert_eq!(placed(&[("cluster", "prod-eu")]), "Cluster//prod-eu");
}

fn signal(name: &str, more: &[(&str, &str)]) -> SignalType {
    let labels = [&[("alertname", name), ("namespace", "shop")][..], more].concat();
    let notice = notice(&labels);
    let object = place(&notice, &Shop).object;
    said(&notice, &object).signal
}

#[test]
fn the_names_of_the_mixins_have_their_signal() {
    use SignalType as S;
    for (name, wanted) in [
        ("KubePodCrashLooping", S::CrashloopBackoff),
        ("KubePodNotReady", S::PodNotReady),
        ("KubeDeploymentReplicasMismatch", S::DeployFailing),
        ("KubeDeploymentGenerationMismatch", S::DeployFailing),
        ("KubeDeploymentRolloutStuck", S::DeployFailing),
        ("KubeStatefulSetUpdateNotRolledOut", S::DeployFailing),
        ("KubeDaemonSetMisScheduled", S::DeployFailing),
        ("KubeContainerWaiting", S::PodNotReady),
        ("KubeJobFailed", S::JobFailed),
        ("KubeJobNotCompleted", S::JobFailed),
        ("KubeHpaMaxedOut", S::HpaMaxed),
        ("KubeHpaReplicasMismatch", S::AutoscalerError),
        ("CPUThrottlingHigh", S::CpuHigh),
        ("KubeCPUOvercommit", S::CpuHigh),
        ("KubeMemoryOvercommit", S::MemoryHigh),
        ("KubeQuotaFullyUsed", S::AdmissionBlocked),
        ("KubePersistentVolumeFillingUp", S::DiskPressure),
        ("KubePersistentVolumeInodesFillingUp", S::DiskPressure),
        ("KubePersistentVolumeErrors", S::PvcPending),
        ("KubeNodeNotReady", S::NodeNotReady),
        ("KubeNodeUnreachable", S::NodeNotReady),
        ("KubeletTooManyPods", S::PodCapacityHigh),
        ("KubeletServerCertificateExpiration", S::CertificateExpiring),
        ("KubeClientCertificateExpiration", S::CertificateExpiring),
        ("KubeAPIErrorBudgetBurn", S::ErrorRate),
        ("KubeAPIDown", S::ServiceError),
        ("NodeFilesystemSpaceFillingUp", S::DiskPressure),
        ("NodeFilesystemAlmostOutOfFiles", S::DiskPressure),
        ("NodeMemoryHighUtilization", S::MemoryHigh),
        ("NodeCPUHighUsage", S::CpuHigh),
        ("NodeNetworkReceiveErrs", S::NetworkUnavailable),
        ("TargetDown", S::ServiceError),
    ] {
        assert_eq!(signal(name, &[]), wanted, "{name}");
    }
    assert_eq!(signal("KubeNodePressure", &[("node", "n1"), ("condition", "PIDPressure")]), S::PidPressure);
}

#[test]
fn a_name_that_nobody_knows_still_means_something() {
    use SignalType as S;
    for (name, wanted) in [
        ("ContainerOOMKilled", S::OomKill),
        ("container_oom_events", S::OomKill),
        ("HighRequestLatency", S::Latency),
        ("checkout p99 latency too high", S::Latency),
        ("Http5xxRateHigh", S::ErrorRate),
        ("CheckoutErrorRate", S::ErrorRate),
        ("PodImagePullBackOff", S::ImagePullError),
        ("IngressCertExpiresSoon", S::CertificateExpiring),
        ("CronJobMissedSchedule", S::CronjobMissed),
        ("backup_job_failed", S::JobFailed),
        ("ContainerMemoryNearLimit", S::MemoryHigh),
        ("PodRestartingTooMuch", S::PodRestart),
        ("VolumeAlmostFull", S::DiskPressure),
        ("RedisDown", S::ServiceError),
        ("", S::ServiceError),
        ("Müllabfuhr", S::ServiceError),
    ] {
        assert_eq!(signal(name, &[]), wanted, "{name}");
    }
    // Nothing in the name: what it is about says it.
    assert_eq!(signal("Wat", &[("deployment", "web")]), S::DeployFailing);
    assert_eq!(signal("Wat", &[("persistentvolumeclaim", "data")]), S::PvcPending);
    // The author's own word goes before everything; one that is no signal is said.
    assert_eq!(signal("KubePodCrashLooping", &[("signal", "latency")]), S::Latency);
    let odd = notice(&[("alertname", "KubePodCrashLooping"), ("signal", "nonsense")]);
    let told = said(&odd, &place(&odd, &Shop).object);
    assert_eq!(told.signal, S::CrashloopBackoff);
    assert!(told.problem.unwrap().contains("remedy"));
}

#[test]
fn severity_is_the_labels_and_none_is_no_incident() {
    for (given, wanted) in [
        ("critical", Some(Severity::Critical)),
        ("page", Some(Severity::Critical)),
        ("Error", Some(Severity::High)),
        ("warning", Some(Severity::Medium)),
        ("info", Some(Severity::Low)),
        ("none", None),
        ("who knows", Some(Severity::Medium)),
    ] {
        let notice = notice(&[("alertname", "Watchdog"), ("severity", given)]);
        assert_eq!(said(&notice, &place(&notice, &Shop).object).severity, wanted, "{given}");
    }
    let without = notice(&[("alertname", "x")]);
    assert_eq!(said(&without, &place(&without, &Shop).object).severity, Some(Severity::Medium));
}

fn made(labels: &[(&str, &str)], starts_at: Timestamp, now: Timestamp) -> Alert {
    let notice = Notice { starts_at: Some(starts_at), ..notice(labels) };
    let place = place(&notice, &Shop);
    let root = place.object.clone();
    let scrubber = Scrubber::new("").unwrap();
    alert(&notice, (place, root), Severity::High, Some(&scrubber), kept_for(SignedDuration::from_hours(4)), now)
}

fn web(starts_at: Timestamp, now: Timestamp) -> Alert {
    made(&[("alertname", "KubePodCrashLooping"), ("namespace", "shop"), ("deployment", "web")], starts_at, now)
}

#[test]
fn its_words_are_bounded_scrubbed_and_on_one_line() {
    let mut odd = notice(&[("alertname", "Login"), ("namespace", "shop"), ("dsn", "postgres://app:hunter2@db/x")]);
    odd.annotations.insert("summary".into(), "cannot log in\npassword: hunter2\u{7}".into());
    odd.annotations.insert("description".into(), "x".repeat(100_000));
    let scrubber = Scrubber::new("").unwrap();
    let place = place(&odd, &Shop);
    let root = place.object.clone();
    let kept = kept_for(SignedDuration::from_hours(4));
    let made = alert(&odd, (place.clone(), root.clone()), Severity::Low, Some(&scrubber), kept, now());
    assert!(made.message.starts_with("Login: cannot log in") && !made.message.contains("hunter2"), "{}", made.message);
    assert!(!made.message.contains('\n') && made.message.chars().count() <= 1025);
    assert!(!made.evidence[0].detail.contains("hunter2"), "{}", made.evidence[0].detail);
    let blind = alert(&odd, (place, root), Severity::Low, None, kept, now());
    assert!(!blind.message.contains("cannot") && !blind.evidence[0].detail.contains("shop"), "{}", blind.message);
}

#[test]
fn times_are_believed_only_as_far_as_they_can_be_true() {
    assert_eq!(web(after(-60), now()).first_seen, after(-60));
    // An hour ahead: somebody's clock is off.
    assert_eq!(web(after(60), now()).first_seen, now());
    assert_eq!(web(after(2), now()).first_seen, now());
    let mut inbox = Inbox::default();
    inbox.fires(web(after(-60), now()), now());
    let Heard::Over(ended) = inbox.ends(web(after(-60), now()), Some(after(60)), now()) else { panic!("not over") };
    assert_eq!(ended.resolved_at, Some(now()));
}

#[test]
fn told_twice_is_once_and_repeated_lasts_longer() {
    let mut inbox = Inbox::default();
    assert!(matches!(inbox.fires(web(after(-3), now()), now()), Heard::New(_)));
    let Heard::Again(again) = inbox.fires(web(after(-3), after(1)), after(1)) else { panic!("not the same") };
    assert_eq!((again.count, again.last_seen, again.first_seen), (2, after(1), after(-3)));
    assert_eq!(inbox.len(), 1);
    // Two repeats of four hours may get lost.
    let (over, next) = inbox.expire(after(8 * 60));
    assert!(over.is_empty() && next == Some(after(8 * 60 + 11)), "{next:?}");
    let (over, next) = inbox.expire(after(8 * 60 + 11));
    assert_eq!((over.len(), next, over[0].resolved_at), (1, None, Some(after(8 * 60 + 11))));
    assert!(inbox.is_empty());
}

#[test]
fn messages_in_the_wrong_order_end_as_they_should() {
    let mut inbox = Inbox::default();
    inbox.fires(web(after(-3), now()), now());
    assert!(matches!(inbox.ends(web(after(-3), now()), Some(after(1)), after(1)), Heard::Over(_)));
    // The other replica of Alertmanager tells late what it saw before.
    assert_eq!(inbox.fires(web(after(-3), after(2)), after(2)), Heard::Late);
    assert_eq!(inbox.ends(web(after(-3), after(2)), Some(after(1)), after(2)), Heard::Late);
    assert!(inbox.is_empty());
    // It comes back: that is another time.
    assert!(matches!(inbox.fires(web(after(3), after(3)), after(3)), Heard::New(_)));
    // And who says for long that it is there since then is right after all.
    inbox.ends(web(after(3), after(4)), None, after(4));
    assert!(matches!(inbox.fires(web(after(3), after(10)), after(10)), Heard::New(_)));
}

#[test]
fn an_end_before_its_beginning_is_told_once_and_the_beginning_is_late() {
    let mut inbox = Inbox::default();
    let heard = inbox.ends(web(after(-3), now()), Some(after(-1)), now());
    let Some(Transition::Resolved(told)) = heard.transition() else { panic!("{heard:?}") };
    assert!(matches!(heard, Heard::OverUnseen(_)) && told.resolved_at == Some(after(-1)));
    assert_eq!(inbox.ends(web(after(-3), now()), Some(after(-1)), now()), Heard::Late);
    assert_eq!(inbox.fires(web(after(-3), after(1)), after(1)), Heard::Late);
    assert_eq!(inbox.ended().count(), 1);
    inbox.expire(after(61));
    assert_eq!(inbox.ended().count(), 0);
}

#[test]
fn there_is_an_end_to_what_is_kept() {
    let mut inbox = Inbox::default();
    let one = |n: usize| made(&[("alertname", "a"), ("namespace", "shop"), ("n", &n.to_string())], now(), now());
    let template = one(0);
    for n in 0..20_000 {
        let alert = Alert { id: format!("a{n}"), ..template.clone() };
        assert!(matches!(inbox.fires(alert, now()), Heard::New(_)));
    }
    assert_eq!(inbox.fires(one(1), now()), Heard::Full);
    // What is known is still repeated and ended.
    assert!(matches!(inbox.fires(Alert { id: "a7".into(), ..template.clone() }, now()), Heard::Again(_)));
    assert!(matches!(inbox.ends(Alert { id: "a7".into(), ..template }, None, now()), Heard::Over(_)));
    assert!(matches!(inbox.fires(one(1), now()), Heard::New(_)));
}
