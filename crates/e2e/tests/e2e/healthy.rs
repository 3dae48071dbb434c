//! Changes that go well: nobody is told.

use e2e::build::TAGS;
use e2e::shop::Shop;
use serde_json::json;

use super::World;

/// Rollouts, restarts, scaling, configuration: twenty in a row, each complete before the next.
pub async fn twenty_changes(world: World) {
    let shop = Shop::deploy(&world.client, world.cluster, "healthy", "user-service").await;
    for round in 0..5 {
        shop.patch_container(json!({"image": TAGS[(round + 1) % 2]})).await;
        shop.serves().await;
        shop.patch(json!({"spec": {"replicas": if round % 2 == 0 { 4 } else { 2 }}})).await;
        shop.serves().await;
        shop.patch_container(json!({"resources": {"requests": {"cpu": format!("{}m", 21 + round)}}})).await;
        shop.serves().await;
        shop.kubectl(&["rollout", "restart", &format!("deployment/{}", shop.workload)]);
        shop.serves().await;
    }
    let (anomalies, issues) = (shop.anomalies().await, shop.issues().await);
    assert!(anomalies.is_empty(), "{anomalies:#?}");
    assert!(issues.is_empty(), "{issues:#?}");
    world.platform.check_alive().await;
}
