use std::collections::BTreeSet;

use api::anomaly::AnomalySpec;
use api::shared::{ResourceRef, SignalType, Source};
use kit::clock::SystemClock;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use testkit::fake_api::FakeApi;

use super::*;

fn anomaly(name: &str, workload: &str) -> Anomaly {
    let resource = ResourceRef { kind: "Deployment".into(), name: workload.into(), namespace: "shop".into() };
    let mut anomaly = Anomaly::new(
        name,
        AnomalySpec {
            description: None,
            resource,
            signal_type: SignalType::PodRestart,
            source: Source::Webhook,
            threshold: "t".into(),
            value: "v".into(),
            alert_id: None,
            severity: None,
            first_seen: None,
            resource_uid: None,
            root: None,
            evidence: vec![],
            instance: None,
            kept_seconds: None,
        },
    );
    anomaly.metadata.namespace = Some("shop".into());
    anomaly
}

/// One life of the process, with caches as the server has it; ends when nothing moves any more.
async fn life(fake: FakeApi) {
    let (supervisor, _watch) = Supervisor::new();
    let env = Env { supervisor: supervisor.clone(), metrics: Metrics::new("test"), clock: Arc::new(SystemClock) };
    let anomalies = Cache::of(fake.list::<Anomaly>());
    let issues = Cache::of(fake.list::<Issue>());
    start(fake.client(), &anomalies, &issues, &Index::default(), "ops", &env, |_, _| {});
    // Longer than the delay after a failure; time is paused, so it costs nothing.
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    supervisor.token().cancel();
}

fn world() -> FakeApi {
    FakeApi::new().with_all((0..12).map(|n| anomaly(&format!("a{n}"), &format!("web-{}", n % 3))))
}

fn check(fake: &FakeApi) {
    let issues: Vec<Issue> = fake.list();
    assert_eq!(issues.len(), 3, "one Issue for each root");
    let names: BTreeSet<String> = issues.iter().map(ResourceExt::name_any).collect();
    for anomaly in fake.list::<Anomaly>() {
        let status = anomaly.status.unwrap_or_default();
        assert!(status.correlated);
        assert!(names.contains(&status.issue_ref.unwrap().name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_one_issue_per_root_and_one_write_per_anomaly() {
    let fake = world();
    life(fake.clone()).await;
    check(&fake);
    assert_eq!(fake.writes().len(), 12 + 3);
    life(fake.clone()).await;
    assert_eq!(fake.writes().len(), 12 + 3, "a restart writes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_death_after_any_write_changes_nothing() {
    let points = testkit::fake_api::crash_everywhere(world, life, |_, fake| check(fake)).await;
    assert!(points >= 15, "{points}");
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_api_server_change_nothing() {
    for (verb, path, code, times) in [
        ("create", "issues", 500, 2),
        ("patch", "/status", 409, 3),
        ("patch", "/status", 500, 5),
        ("get", "issues", 500, 2),
    ] {
        let fake = world();
        fake.fail(verb, path, code, times);
        life(fake.clone()).await;
        check(&fake);
    }
    let fake = world();
    fake.lose_answer("create", "issues", 3);
    fake.lose_answer("patch", "/status", 3);
    life(fake.clone()).await;
    check(&fake);
}

#[tokio::test(start_paused = true)]
async fn an_escalated_issue_takes_more_and_a_resolved_one_does_not() {
    let fake = FakeApi::new().with(anomaly("a0", "web"));
    life(fake.clone()).await;
    let first = fake.list::<Issue>().remove(0).name_any();
    fake.edit::<Issue>("shop", &first, |i| {
        i["status"] = serde_json::json!({"state": "Escalated", "maxRemediationAttempts": 5, "remediationAttempts": 0});
    });
    fake.put(anomaly("a1", "web"));
    life(fake.clone()).await;
    assert_eq!(fake.list::<Issue>().len(), 1);
    fake.edit::<Issue>("shop", &first, |i| i["status"]["state"] = "Resolved".into());
    fake.put(anomaly("a2", "web"));
    life(fake.clone()).await;
    assert_eq!(fake.list::<Issue>().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_anomaly_about_another_namespace_is_refused_with_the_reason() {
    let mut foreign = anomaly("a0", "web");
    foreign.spec.resource.namespace = "kube-system".into();
    let fake = FakeApi::new().with(foreign);
    life(fake.clone()).await;
    assert!(fake.list::<Issue>().is_empty());
    let conditions = fake.get::<Anomaly>("shop", "a0").unwrap().status.unwrap().conditions;
    assert!(conditions[0].message.contains("spec.resource.namespace is kube-system"));
}
