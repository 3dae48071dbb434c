//! Section 1 of the cookbook on a real node: install, upgrade, uninstall with real helm, and the operator in its pod with
//! nothing but the rights that the chart gives it.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

mod instance;
mod removal;
mod story;

use std::process::ExitCode;

use cluster::Cluster;
use e2e::runner::{Case, Run, case};
use e2e::{build, chart};
use kube::Client;

/// What a case needs.
#[derive(Clone)]
pub struct World {
    /// The node that the tests share.
    pub cluster: &'static Cluster,
    /// Its client, an administrator.
    pub client: Client,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut run = Run::from_args();
    let Some(cluster) = testkit::cluster::node() else {
        return if run.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    chart::load_image(cluster, &build::chatcli());
    let world = World { cluster, client: testkit::cluster::client(cluster).await };
    // One release at a time: each case goes on from where the one before stopped.
    let ok = run
        .stage(vec![vec![
            one(&world, "helm_install_as_the_cookbook_writes_it", story::install),
            one(&world, "the_operator_has_every_right_that_it_needs", story::rights),
            one(&world, "an_instance_mends_a_fault_with_the_rights_of_the_chart", instance::mends_a_fault),
            one(&world, "every_option_is_accepted_by_the_api_server", story::every_option),
            one(&world, "helm_upgrade_sets_a_value", story::upgrade),
            one(&world, "helm_upgrade_brings_definitions_up_to_date", story::definitions_are_upgraded),
            one(&world, "two_replicas_and_one_leader", story::two_replicas),
            one(&world, "an_uninstall_leaves_nothing_that_hangs", removal::uninstall),
            one(&world, "an_installation_over_what_was_left", removal::again),
        ]])
        .await;
    if !ok {
        let log = chart::log(cluster);
        eprintln!("--- the end of the operator's log");
        log.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().for_each(|line| eprintln!("{line}"));
    }
    chart::clean(cluster);
    if run.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one<F: Future<Output = ()> + Send + 'static>(
    world: &World,
    name: &'static str,
    run: impl FnOnce(World) -> F + Send + 'static,
) -> Case {
    let world = world.clone();
    case(name, move || run(world))
}
