//! Healthy changes raise nothing.

use serde_json::json;

use super::*;

async fn seconds(seconds: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
}

/// A pod that is made, pulls its image, starts, and becomes ready.
async fn comes_up(world: &mut World, number: i64, index: usize) {
    let image = format!("shop:1.{number}");
    world.pod("web", number, index, spec(&image), json!({"phase": "Pending"}));
    seconds(1).await;
    let status = waiting(&world.now(), "ContainerCreating", "");
    world.pod("web", number, index, spec(&image), status);
    seconds(3).await;
    let status = running(&world.now(), false);
    world.pod("web", number, index, spec(&image), status);
    seconds(8).await;
    let status = running(&world.now(), true);
    world.pod("web", number, index, spec(&image), status);
    seconds(1).await;
}

/// A rolling update from one revision to the next, pod by pod.
async fn rolls(world: &mut World, from: i64) {
    let to = from + 1;
    world.deployment("web", 2, to);
    for index in 0..2 {
        world.set("web", to, index as i32 + 1, index as i32, spec(&format!("shop:1.{to}")));
        comes_up(world, to, index).await;
        world.set("web", from, 1 - index as i32, 1 - index as i32, spec(&format!("shop:1.{from}")));
        world.delete_pod(&format!("web-{from}-{index}"));
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_healthy_changes_in_a_row_raise_nothing() {
    let mut world = World::new().await;
    world.node("n1", "True", "2026-01-01T00:00:00Z");
    world.deployment("web", 2, 1);
    world.set("web", 1, 2, 0, spec("shop:1.1"));
    comes_up(&mut world, 1, 0).await;
    comes_up(&mut world, 1, 1).await;
    let mut revision = 1;
    for round in 0..5 {
        rolls(&mut world, revision).await;
        revision += 1;

        // Scaled up and down again.
        world.deployment("web", 4, revision);
        world.set("web", revision, 4, 2, spec(&format!("shop:1.{revision}")));
        comes_up(&mut world, revision, 2).await;
        comes_up(&mut world, revision, 3).await;
        world.deployment("web", 2, revision);
        world.set("web", revision, 2, 2, spec(&format!("shop:1.{revision}")));
        world.delete_pod(&format!("web-{revision}-2"));
        world.delete_pod(&format!("web-{revision}-3"));

        // A drain: one pod is evicted, another comes up in its place.
        world.delete_pod(&format!("web-{revision}-0"));
        comes_up(&mut world, revision, 0).await;

        // A node that is slow for a moment.
        let now = world.now();
        world.node("n1", "Unknown", &now);
        seconds(10).await;
        let now = world.now();
        world.node("n1", "True", &now);
        world.quiet(120).await;
        assert!(world.detector.alerts().is_empty(), "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_told_before_their_replica_set_find_their_place() {
    let mut world = World::new().await;
    let now = world.now();
    world.pod("web", 1, 0, spec("shop:9.9"), waiting(&now, "ErrImagePull", "not found"));
    world.quiet(1).await;
    world.set("web", 1, 1, 0, spec("shop:9.9"));
    world.quiet(1).await;
    world.deployment("web", 1, 1);
    assert_eq!(world.firing().await.workload.name, "web");
}
