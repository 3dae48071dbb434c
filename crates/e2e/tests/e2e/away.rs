//! The API server crashes while an incident is being treated, and is started again.

use std::time::Duration;

use api::shared::RemediationState;
use cluster::local;
use e2e::look;
use e2e::shop::Shop;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::World;

pub async fn comes_back(world: World) {
    {
        let mut operators = world.platform.operators.lock().await;
        operators.clear();
        operators.push(world.platform.setup.operator("operator-away", true));
    }
    let shop = Shop::deploy(&world.client, world.cluster, "away", "api-gateway").await;
    shop.break_image().await;
    look::plan(&shop.client, shop.name(), "a plan that waits", 60, |plan| {
        plan.status.as_ref().and_then(|status| status.state) == Some(RemediationState::WaitingApproval)
    })
    .await;
    local::crash(&world.cluster.name, "kube-apiserver").expect("crash");
    // Long enough that every watch and every renewal of the lease fails at least once.
    tokio::time::sleep(Duration::from_secs(5)).await;
    local::restart(&world.cluster.name, "kube-apiserver").expect("restart");
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "chatcli-system");
    let back = Timestamp::now();
    look::until("the API server answers", 30, || async { world.client.apiserver_version().await.ok() }).await;
    // An operator that could not renew its lease ends, as it must; whoever supervises it starts it again.
    look::until("the operator leads again", 60, || async {
        let mut operators = world.platform.operators.lock().await;
        let operator = operators.first_mut()?;
        if operator.exited().is_some() {
            println!("    the operator lost its lease and ended; started again, as a supervisor does");
            operator.crash();
            operator.start_again();
        }
        let lease = leases.get("chatcli-operator-lock").await.ok()?.spec?;
        (lease.renew_time?.0 > back && operator.is_ready().await).then_some(())
    })
    .await;
    assert_eq!(world.platform.server.lock().await.exited(), None, "the server lives through it");
    shop.approve(60).await;
    shop.was_rolled_back_once(2).await;
}
