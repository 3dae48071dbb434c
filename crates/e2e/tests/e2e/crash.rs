//! The processes are killed with SIGKILL at every step of a plan, and started again: the same result, and nothing twice.
//!
//! The cases share one operator: each kill hits all of them, wherever they are.

use api::RemediationPlan;
use api::remediation_plan::StepPhase;
use api::shared::RemediationState;
use e2e::look;
use e2e::runner::Case;
use e2e::shop::Shop;

use super::{World, one};

/// Seconds that a step may take to come, while others are killing the operator too.
const PATIENCE: u64 = 60;

pub fn lanes(world: &World) -> Vec<Vec<Case>> {
    vec![
        vec![one(world, "operator_killed_when_the_issue_is_there", |world| async move {
            let shop = broken(&world, "crash-issue").await;
            look::until("an Issue", PATIENCE, || async { (!shop.issues().await.is_empty()).then_some(()) }).await;
            world.platform.crash_operator().await;
            shop.approve(PATIENCE).await;
            shop.was_rolled_back_once(2).await;
        })],
        vec![one(world, "operator_killed_when_the_plan_is_there", |world| async move {
            let shop = broken(&world, "crash-plan").await;
            look::plan(&shop.client, shop.name(), "a plan", PATIENCE, |_| true).await;
            world.platform.crash_operator().await;
            shop.approve(PATIENCE).await;
            shop.was_rolled_back_once(2).await;
        })],
        vec![one(world, "operator_killed_while_the_plan_waits", |world| async move {
            let shop = broken(&world, "crash-wait").await;
            look::plan(&shop.client, shop.name(), "a plan that waits", PATIENCE, |plan| {
                is(plan, RemediationState::WaitingApproval)
            })
            .await;
            world.platform.crash_operator().await;
            shop.approve(PATIENCE).await;
            shop.was_rolled_back_once(2).await;
        })],
        vec![one(world, "operator_killed_when_approved", |world| async move {
            let shop = broken(&world, "crash-yes").await;
            shop.approve(PATIENCE).await;
            world.platform.crash_operator().await;
            shop.was_rolled_back_once(2).await;
        })],
        vec![one(world, "operator_killed_when_the_intent_is_recorded", |world| async move {
            at_phase(world, "crash-intent", StepPhase::Intended).await;
        })],
        vec![one(world, "operator_killed_when_the_action_is_done", |world| async move {
            at_phase(world, "crash-done", StepPhase::Done).await;
        })],
        vec![one(world, "operator_killed_during_verification", |world| async move {
            let shop = broken(&world, "crash-verify").await;
            shop.approve(PATIENCE).await;
            look::plan(&shop.client, shop.name(), "a plan that is verified", PATIENCE, |plan| {
                is(plan, RemediationState::Verifying)
            })
            .await;
            world.platform.crash_operator().await;
            shop.was_rolled_back_once(2).await;
        })],
        vec![one(world, "server_killed_in_mid_flight", server_killed)],
    ]
}

async fn broken(world: &World, prefix: &str) -> std::sync::Arc<Shop> {
    let shop = Shop::deploy(&world.client, world.cluster, prefix, "api-gateway").await;
    shop.break_image().await;
    shop
}

fn is(plan: &RemediationPlan, state: RemediationState) -> bool {
    plan.status.as_ref().and_then(|status| status.state) == Some(state)
}

/// The kill comes as soon as a step of the plan has reached a phase, or has gone beyond it.
async fn at_phase(world: World, prefix: &str, phase: StepPhase) {
    let shop = broken(&world, prefix).await;
    let reached = {
        let (client, name) = (shop.client.clone(), shop.name().to_owned());
        let platform = world.platform.clone();
        tokio::spawn(async move {
            look::plan(&client, &name, "a step in this phase", PATIENCE * 2, |plan| {
                plan.status.as_ref().is_some_and(|status| status.steps.iter().any(|step| step.phase >= phase))
            })
            .await;
            platform.crash_operator().await;
        })
    };
    shop.approve(PATIENCE).await;
    reached.await.expect("the kill");
    shop.was_rolled_back_once(2).await;
}

async fn server_killed(world: World) {
    let shop = broken(&world, "crash-eyes").await;
    look::until("an Issue", PATIENCE, || async { (!shop.issues().await.is_empty()).then_some(()) }).await;
    {
        let mut server = world.platform.server.lock().await;
        server.crash();
        server.start_again();
    }
    shop.approve(PATIENCE).await;
    {
        let mut server = world.platform.server.lock().await;
        server.crash();
        server.start_again();
    }
    shop.was_rolled_back_once(2).await;
}
