//! What no healthy cluster sends: it costs little, breaks nothing, and opens no wrong alert.

use domain::detection::{Rule, Transition};
use serde_json::json;

use super::*;

/// What an alert may weigh, whatever the objects that it is about weigh.
const LIGHT: usize = 32 * 1024;

fn weight(alert: &Alert) -> usize {
    alert.message.len()
        + alert.value.len()
        + alert.threshold.len()
        + alert.evidence.iter().map(|seen| seen.detail.len() + seen.object.name.len()).sum::<usize>()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_events_on_one_object_raise_nothing_by_themselves_and_weigh_little_on_an_alert() {
    let mut world = World::new().await;
    world.healthy_web();
    for n in 0..10_000 {
        let reason = format!("Reason{n}");
        world.event("web-1-0", "spec.containers{app}", &reason, &"words ".repeat(50), n);
    }
    world.quiet(600).await;
    let status = waiting(&world.now(), "ErrImagePull", "shop:1.0: not found");
    world.pod("web", 1, 0, spec("shop:1.0"), status);
    let alert = world.firing().await;
    assert_eq!(alert.rule, Rule::ImagePull);
    assert!(weight(&alert) < LIGHT, "{} bytes", weight(&alert));
}

#[tokio::test(start_paused = true)]
async fn owners_in_a_circle_end_no_look() {
    let mut world = World::new().await;
    for (name, owner) in [("a", "b"), ("b", "a")] {
        let meta = world.meta(name, Some(("ReplicaSet", owner)), &json!({}));
        world.objects.sets.apply(read(json!({"metadata": meta,
            "spec": {"replicas": 1, "selector": {}, "template": {"spec": spec("shop:1.0")}}, "status": {"replicas": 1}})));
    }
    // A pod that says that it owns itself, one in the circle, and one whose owner is of a kind that nobody knows.
    for (name, owner) in [("self", ("Pod", "self")), ("circle", ("ReplicaSet", "a")), ("strange", ("Ghost", "x"))] {
        let status = waiting(&world.now(), "ErrImagePull", "shop:1.0: not found");
        world.pod_of(name, Some(owner), &json!({}), spec("shop:1.0"), status);
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let alert = world.firing().await;
        assert_eq!(alert.rule, Rule::ImagePull);
        seen.push(alert.pod.map(|pod| pod.name).unwrap_or_default());
    }
    seen.sort();
    assert_eq!(seen, ["circle", "self", "strange"]);
    world.quiet(600).await;
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_in_a_message_becomes_a_short_sentence() {
    let mut world = World::new().await;
    world.healthy_web();
    let noise: String = (0..1_000_000_u32).map(|n| char::from_u32(n % 0x80).unwrap_or('?')).collect();
    let status = waiting(&world.now(), "ErrImagePull", &noise);
    world.pod("web", 1, 0, spec("shop:1.0"), status);
    world.event("web-1-0", "spec.containers{app}", "Failed", &noise, 1);
    let alert = world.firing().await;
    assert!(weight(&alert) < LIGHT, "{} bytes", weight(&alert));
}

#[tokio::test(start_paused = true)]
async fn huge_annotations_are_not_kept() {
    let mut world = World::new().await;
    world.healthy_web();
    let mut meta = world.meta("web-1-0", Some(("ReplicaSet", "web-1")), &json!({"pod-template-hash": "h1"}));
    meta["annotations"] = json!({"note": "x".repeat(1_000_000)});
    meta["managedFields"] = json!([{"manager": "y".repeat(100_000), "operation": "Update"}]);
    let now = world.now();
    let mut pod: Seen<Pod> = read(json!({"metadata": meta, "spec": spec("shop:1.0"), "status": running(&now, true)}));
    crate::seen::Specs::default().share(&mut pod);
    let kept = serde_json::to_string(&pod.metadata).unwrap().len();
    assert!(kept < 2_000, "{kept} bytes are kept");
    world.objects.pods.apply(pod);
    world.quiet(600).await;
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_off_by_an_hour_raise_nothing_and_hide_nothing() {
    for hours in [-1, 1] {
        let mut world = World::new().await;
        world.healthy_web();
        let off = (world.clock.now() + SignedDuration::from_hours(hours)).to_string();
        // A node's clock writes these times.
        for index in 0..2 {
            world.pod("web", 1, index, spec("shop:1.0"), running(&off, true));
        }
        world.quiet(600).await;
        world.pod("web", 1, 0, spec("shop:1.0"), ended(&off, &off, "OOMKilled", 137, 1));
        let alert = world.firing().await;
        assert_eq!(alert.rule, Rule::OutOfMemory, "{hours} h");
        let status = running(&world.now(), true);
        world.pod("web", 1, 0, spec("shop:1.0"), status);
        let over = loop {
            match world.next().await {
                Transition::Resolved(over) => break over,
                Transition::Changed(_) => {}
                Transition::Firing(wrong) => panic!("{wrong:?}"),
            }
        };
        assert_eq!(over.id, alert.id);
    }
}
