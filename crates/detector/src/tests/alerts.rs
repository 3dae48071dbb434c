//! Each fault raises one alert, and its end resolves it.

use api::shared::SignalType;
use domain::detection::{Rule, Transition};
use kit::cache::Key as Place;
use serde_json::json;

use super::*;

const MISSING: &str = "failed to resolve reference \"shop:9.9\": shop:9.9: not found";

/// `web` gets a revision 2 whose first pod has this status, while the pods of revision 1 serve.
fn roll_out(world: &mut World, spec: Value, status: Value) {
    world.deployment("web", 2, 2);
    world.set("web", 2, 1, 0, spec.clone());
    world.pod("web", 2, 0, spec, status);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_to_a_missing_image_is_told_at_once_although_the_old_pods_serve() {
    let mut world = World::new().await;
    world.healthy_web();
    let began = Instant::now();
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    roll_out(&mut world, spec("shop:9.9"), status);
    let alert = world.firing().await;
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
    assert_eq!(
        (alert.rule, alert.workload.kind.as_str(), alert.workload.name.as_str()),
        (Rule::ImagePull, "Deployment", "web")
    );
    assert_eq!(alert.value, "shop:9.9");
    assert_eq!(world.detector.counts(), crate::Counts { workloads: 1, pods: 3, alerts: 1 });

    // Rolled back: the old revision gets a new number, the bad pod goes.
    world.deployment("web", 2, 3);
    world.delete_pod("web-2-0");
    let mut set = (*world.objects.sets.find("shop", "web-1").unwrap()).clone();
    set.facts.number = 3;
    set.metadata.resource_version = Some("back".into());
    world.objects.sets.apply(set);
    assert!(matches!(world.next().await, Transition::Resolved(over) if over.id == alert.id));
    assert!(world.detector.alerts().is_empty());
    world.quiet(600).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_told_with_its_second_exit() {
    let mut world = World::new().await;
    world.healthy_web();
    let born = world.now();
    let status = ended(&born, &born, "Error", 1, 0);
    roll_out(&mut world, spec("shop:1.1"), status);
    world.quiet(5).await;
    let status = ended(&born, &world.now(), "Error", 1, 1);
    world.pod("web", 2, 0, spec("shop:1.1"), status);
    let alert = world.firing().await;
    assert_eq!((alert.rule, alert.container.as_deref()), (Rule::CrashLoop, Some("app")));
}

#[tokio::test(start_paused = true)]
async fn a_container_over_its_limit_is_told_with_the_limit() {
    let mut world = World::new().await;
    world.healthy_web();
    let now = world.now();
    world.pod("web", 1, 0, spec("shop:1.0"), ended(&now, &now, "OOMKilled", 137, 1));
    let alert = world.firing().await;
    assert_eq!((alert.rule, alert.signal, alert.threshold.as_str()), (Rule::OutOfMemory, SignalType::OomKill, "64Mi"));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_that_never_comes_is_told_when_its_time_is_up_without_any_change() {
    let mut world = World::new().await;
    world.healthy_web();
    let mut spec = spec("shop:1.1");
    spec["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/ready", "port": 8081}, "periodSeconds": 5, "failureThreshold": 3});
    let status = running(&world.now(), false);
    roll_out(&mut world, spec, status);
    world.event("web-2-0", "spec.containers{app}", "Unhealthy", "Readiness probe failed: connection refused", 1);
    let began = Instant::now();
    let alert = world.firing().await;
    assert_eq!(alert.rule, Rule::ReadinessFailing);
    let after = began.elapsed().as_secs();
    assert!((15..=60).contains(&after), "{after} s");
    assert!(alert.evidence.iter().any(|seen| seen.detail.contains("connection refused")));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_no_node_is_told_after_its_hold() {
    let mut world = World::new().await;
    world.healthy_web();
    let status = unschedulable(&world.now(), "0/1 nodes are available: 1 Insufficient memory.");
    world.pod("web", 1, 1, spec("shop:1.0"), status);
    let began = Instant::now();
    let alert = world.firing().await;
    assert_eq!(alert.rule, Rule::Unschedulable);
    assert!(began.elapsed().as_secs() >= 9);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_has_no_alerts() {
    let mut world = World::new().await;
    world.healthy_web();
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    roll_out(&mut world, spec("shop:9.9"), status);
    let alert = world.firing().await;
    world.objects.deployments.delete(&Place::new("shop", "web"));
    assert!(matches!(world.next().await, Transition::Resolved(over) if over.id == alert.id));
    // Its pods go later, each with its old status.
    let status = waiting(&world.now(), "ImagePullBackOff", MISSING);
    world.pod("web", 2, 0, spec("shop:9.9"), status);
    world.quiet(60).await;
}

#[tokio::test(start_paused = true)]
async fn a_namesake_is_another_workload() {
    let mut world = World::new().await;
    world.healthy_web();
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    roll_out(&mut world, spec("shop:9.9"), status);
    let alert = world.firing().await;
    let mut other = (*world.objects.deployments.find("shop", "web").unwrap()).clone();
    other.metadata.uid = Some("another".into());
    other.metadata.resource_version = Some("another".into());
    world.objects.deployments.apply(other);
    assert!(matches!(world.next().await, Transition::Resolved(over) if over.id == alert.id));
    world.quiet(60).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_gives_the_same_ids() {
    let mut world = World::new().await;
    world.healthy_web();
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    roll_out(&mut world, spec("shop:9.9"), status);
    let alert = world.firing().await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let (again, _env) = on(&world.objects, &world.clock, &world.api).await;
    let ids: Vec<String> = again.alerts().into_iter().map(|alert| alert.id).collect();
    assert_eq!(ids, [alert.id]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_and_what_follows_have_no_gap() {
    let mut world = World::new().await;
    world.healthy_web();
    let status = waiting(&world.now(), "ErrImagePull", MISSING);
    roll_out(&mut world, spec("shop:9.9"), status);
    let alert = world.firing().await;
    let (open, mut later) = world.detector.watch();
    assert_eq!(open.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&alert.id]);
    assert!(later.try_recv().is_err());
    world.objects.deployments.delete(&Place::new("shop", "web"));
    assert!(matches!(later.recv().await.unwrap(), Transition::Resolved(_)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stays_away_is_one_alert_and_its_pods_are_none() {
    let mut world = World::new().await;
    let now = world.now();
    world.node("n1", "True", "2026-01-01T00:00:00Z");
    world.node("n2", "True", "2026-01-01T00:00:00Z");
    world.deployment("web", 3, 1);
    world.set("web", 1, 3, 3, spec("shop:1.0"));
    let mut placed = spec("shop:1.0");
    placed["nodeName"] = json!("n1");
    for index in 0..3 {
        world.pod("web", 1, index, placed.clone(), running(&now, true));
    }
    world.quiet(300).await;
    let now = world.now();
    world.node("n1", "Unknown", &now);
    for index in 0..3 {
        let mut status = running("2026-03-01T10:00:00Z", false);
        status["conditions"][1]["lastTransitionTime"] = json!(now);
        world.pod("web", 1, index, placed.clone(), status);
    }
    let alert = world.firing().await;
    assert_eq!(
        (alert.rule, alert.workload.kind.as_str(), alert.workload.name.as_str()),
        (Rule::NodeNotReady, "Node", "n1")
    );
    world.quiet(120).await;
    let now = world.now();
    world.node("n1", "True", &now);
    for index in 0..3 {
        world.pod("web", 1, index, placed.clone(), running(&now, true));
    }
    assert!(matches!(world.next().await, Transition::Resolved(over) if over.id == alert.id));
    world.quiet(600).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_its_own_is_a_workload_and_a_job_is_not() {
    let mut world = World::new().await;
    let now = world.now();
    world.pod_of("lone", None, &json!({}), spec("shop:9.9"), waiting(&now, "ErrImagePull", MISSING));
    assert_eq!(world.firing().await.workload.kind, "Pod");
    world.pod_of("batch-x", Some(("Job", "batch")), &json!({}), spec("shop:9.9"), ended(&now, &now, "Error", 1, 3));
    let mut once = spec("shop:1.0");
    once["restartPolicy"] = json!("Never");
    world.pod_of("step-x", Some(("Workflow", "flow")), &json!({}), once, ended(&now, &now, "Error", 1, 0));
    world.quiet(60).await;
    world.delete_pod("lone");
    assert!(matches!(world.next().await, Transition::Resolved(_)));
}
