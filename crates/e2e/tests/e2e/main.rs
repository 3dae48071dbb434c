//! Tests on real pods with the real binary, in stages.
//!
//! What can share one platform runs side by side; what kills processes comes after; what takes the API server away comes
//! last. Bad input has a control plane of its own and runs beside the first stage.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

mod away;
mod bad_input;
mod crash;
mod faults;
mod healthy;
mod replicas;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use cluster::Cluster;
use e2e::build;
use e2e::platform::Platform;
use e2e::runner::{Case, Run, case};
use kube::Client;

/// What a case needs.
#[derive(Clone)]
pub struct World {
    /// The node that the tests share.
    pub cluster: &'static Cluster,
    /// Its client.
    pub client: Client,
    /// Server and operator.
    pub platform: Arc<Platform>,
    /// The binary.
    pub chatcli: PathBuf,
    /// Folder of the logs.
    pub logs: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut run = Run::from_args();
    let Some(cluster) = testkit::cluster::node() else {
        return if run.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let logs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("logs");
    let chatcli = build::chatcli();
    build::load_service(cluster);
    let client = testkit::cluster::client(cluster).await;
    let platform = Arc::new(Platform::start(cluster, &chatcli, &logs).await);
    let world = World { cluster, client, platform, chatcli, logs };

    let mut ok = run.stage(first(&world)).await;
    ok &= run.stage(crash::lanes(&world)).await;
    world.platform.check_alive().await;
    world.platform.operators.lock().await.iter_mut().for_each(e2e::process::Process::stop);
    ok &= run.stage(vec![vec![one(&world, "the_other_replica_takes_over", replicas::takes_over)]]).await;
    ok &= run.stage(vec![vec![one(&world, "the_api_server_goes_and_comes_back", away::comes_back)]]).await;
    if !ok {
        world.platform.print_logs().await;
    }
    world.platform.stop().await;
    cluster::local::down(bad_input::CLUSTER).expect("the control plane of bad input");
    if run.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn first(world: &World) -> Vec<Vec<Case>> {
    let mut lanes: Vec<Vec<Case>> = faults::cases(world).into_iter().map(|case| vec![case]).collect();
    lanes.push(vec![one(world, "twenty_healthy_changes_raise_nothing", healthy::twenty_changes)]);
    lanes.push(bad_input::cases(world));
    lanes
}

/// A case of a function that takes the world.
pub fn one<F: Future<Output = ()> + Send + 'static>(
    world: &World,
    name: &'static str,
    run: impl FnOnce(World) -> F + Send + 'static,
) -> Case {
    let world = world.clone();
    case(name, move || run(world))
}
