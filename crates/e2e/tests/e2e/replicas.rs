//! Two replicas: the leader is killed, the other goes on.

use std::time::Instant;

use api::shared::RemediationState;
use e2e::look;
use e2e::shop::Shop;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::World;

pub async fn takes_over(world: World) {
    let setup = &world.platform.setup;
    *world.platform.operators.lock().await = vec![setup.operator("replica-a", true), setup.operator("replica-b", true)];
    world.platform.ready().await;
    // The lease of an earlier run may still be there: a leader is who says so.
    look::until("one of them leads", 40, || async {
        let leads = leads(&world).await;
        assert!(leads.iter().filter(|leads| **leads).count() <= 1, "two lead: {leads:?}");
        leads.contains(&true).then_some(())
    })
    .await;
    let first = leader(&world, "").await;
    let shop = Shop::deploy(&world.client, world.cluster, "leader", "api-gateway").await;
    shop.break_image().await;
    look::plan(&shop.client, shop.name(), "a plan that waits", 60, |plan| {
        plan.status.as_ref().and_then(|status| status.state) == Some(RemediationState::WaitingApproval)
    })
    .await;

    {
        let leads = leads(&world).await;
        world.platform.operators.lock().await[usize::from(leads[1])].crash();
    }
    let killed = Instant::now();
    shop.approve(10).await;
    let second = leader(&world, &first).await;
    let took = killed.elapsed();
    assert_ne!(first, second);
    assert!(took.as_secs() < 20, "took over after {took:?}");
    println!("    the other replica held the lease {:.1} s after the kill", took.as_secs_f64());
    shop.was_rolled_back_once(2).await;
}

/// Whether a process says in its metrics that it leads.
fn leads_by(metrics: &str) -> bool {
    metrics.lines().any(|line| line.contains("lease_held") && !line.starts_with('#') && line.ends_with(" 1"))
}

/// Which of the operators lead.
async fn leads(world: &World) -> Vec<bool> {
    let mut leads = Vec::new();
    for operator in world.platform.operators.lock().await.iter() {
        leads.push(operator.get("/metrics").await.is_some_and(|text| leads_by(&text)));
    }
    leads
}

/// Who holds the lease, once it is somebody else than `not`.
async fn leader(world: &World, not: &str) -> String {
    let api: Api<Lease> = Api::namespaced(world.client.clone(), "chatcli-system");
    look::until("somebody holds the lease", 40, || async {
        let lease = api.get("chatcli-operator-lock").await.ok()?;
        lease.spec?.holder_identity.filter(|holder| !holder.is_empty() && holder != not)
    })
    .await
}
