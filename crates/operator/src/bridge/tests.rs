//! One or two servers, their accounts and silences, and what becomes of the Anomalies; the faults of the API server run
//! with the whole pipeline in `crate::tests`.

use std::time::Duration;

use api::anomaly::AnomalyState;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use ports::server_link::Alert;
use testkit::fake_api::FakeApi;

use super::*;
use crate::tests::world::{PausedClock, alert, t0};

/// One life of the bridge, with a cache as the API server has it at its start and a real watch after that.
struct Life {
    bridge: Bridge,
    supervisor: Supervisor,
}

async fn begin(fake: &FakeApi, servers: &[&str]) -> Life {
    let (supervisor, _watch) = Supervisor::new();
    let metrics = Metrics::new("test");
    let hub = kit::cache::Hub::new(&supervisor, &metrics);
    let anomalies = hub.cache::<Anomaly>(kube::Api::all(fake.client()), kit::cache::config(), |_| {});
    hub.ready().await;
    let env = Env { supervisor: supervisor.clone(), metrics, clock: PausedClock::new() };
    let bridge = start(fake.client(), &anomalies, "ops", &env);
    for (link, address) in (0..).zip(servers) {
        bridge.join(link, Source::of_address(address));
    }
    Life { bridge, supervisor }
}

impl Life {
    fn tell(&self, server: LinkId, alert: Alert) {
        self.bridge.heard(server, LinkEvent::Alert(Box::new(alert)));
    }

    fn account(&self, server: LinkId, alerts: &[Alert]) {
        self.bridge.heard(server, LinkEvent::Begin);
        for alert in alerts {
            self.tell(server, alert.clone());
        }
        self.bridge.heard(server, LinkEvent::Synced);
    }

    /// Until nothing moves any more; the time is not real.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }

    async fn end(self) {
        self.settle().await;
        self.supervisor.token().cancel();
    }
}

fn fire(id: &str) -> Alert {
    Alert { id: id.into(), ..alert(None, t0()) }
}

fn over(id: &str) -> Alert {
    Alert { id: id.into(), ..alert(Some(t0()), t0()) }
}

/// State of each Anomaly, by alert and name.
fn states(fake: &FakeApi) -> Vec<(String, Option<AnomalyState>)> {
    let mut all: Vec<_> = fake
        .list::<Anomaly>()
        .into_iter()
        .map(|a| (a.spec.alert_id.unwrap_or_default(), a.status.and_then(|s| s.state)))
        .collect();
    all.sort_by_key(|(id, state)| (id.clone(), *state == Some(AnomalyState::Firing)));
    all
}

const FIRING: Option<AnomalyState> = Some(AnomalyState::Firing);
const RESOLVED: Option<AnomalyState> = Some(AnomalyState::Resolved);

#[tokio::test(start_paused = true)]
async fn an_alert_is_one_anomaly_from_its_beginning_to_its_end() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[fire("x")]);
    life.settle().await;
    for count in 2..100 {
        life.tell(0, Alert { count, ..fire("x") });
    }
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    assert_eq!(fake.writes().len(), 2, "counters alone are not written");
    life.tell(0, over("x"));
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
    assert_eq!(fake.list::<Anomaly>()[0].status.as_ref().unwrap().count, Some(99));
    // It comes back, even with the old time: that is another one.
    life.tell(0, fire("x"));
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("x".into(), FIRING)]);
}

#[tokio::test(start_paused = true)]
async fn what_an_account_leaves_out_is_over_and_a_silence_ends_nothing() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[fire("x"), fire("y")]);
    life.settle().await;
    life.bridge.heard(0, LinkEvent::Disconnected { why: "gone".into() });
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING), ("y".into(), FIRING)]);
    // An account that breaks off says nothing either.
    life.bridge.heard(0, LinkEvent::Begin);
    life.bridge.heard(0, LinkEvent::Disconnected { why: "gone again".into() });
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING), ("y".into(), FIRING)]);
    life.account(0, &[fire("y")]);
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), FIRING)]);
}

#[tokio::test(start_paused = true)]
async fn a_late_word_of_one_server_makes_no_second_anomaly() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(0, &[fire("x")]);
    life.account(1, &[fire("x")]);
    life.settle().await;
    // Its end is on its way, or recorded already, when one of them tells what it saw before.
    for pause in [Duration::ZERO, Duration::from_millis(500)] {
        life.tell(0, over("x"));
        life.tell(1, over("x"));
        tokio::time::sleep(pause).await;
        life.tell(1, fire("x"));
        tokio::time::sleep(pause).await;
        life.tell(1, over("x"));
    }
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
    // One that stays is another one.
    life.tell(1, fire("x"));
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("x".into(), FIRING)]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_knows_what_was_open() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[fire("x"), fire("y")]);
    life.end().await;
    let writes = fake.writes().len();
    let life = begin(&fake, &["a:1"]).await;
    // The other server's clock says another time; it is the same alert.
    life.account(0, &[Alert { first_seen: t0() + jiff::SignedDuration::from_mins(3), ..fire("y") }]);
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), FIRING)]);
    assert_eq!(fake.writes().len(), writes + 1);
}

#[tokio::test(start_paused = true)]
async fn two_servers_share_an_anomaly_and_it_is_over_when_both_say_so() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(0, &[fire("x")]);
    life.account(1, &[fire("x")]);
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    life.tell(0, over("x"));
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    life.account(1, &[]);
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
}

#[tokio::test(start_paused = true)]
async fn one_server_does_not_end_what_another_one_opened() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(0, &[fire("x")]);
    life.end().await;
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(1, &[]);
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    life.end().await;
    // The server of an Anomaly is no longer ours: it may come back for a while, and all that are ours have their say.
    let life = begin(&fake, &["c:1", "b:1"]).await;
    life.account(1, &[]);
    life.account(0, &[]);
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    tokio::time::sleep(Duration::from_mins(10)).await;
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_came_and_went_while_the_api_server_was_away_is_recorded() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    fake.fail("create", "anomalies", 503, 3);
    life.account(0, &[fire("x")]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    life.tell(0, over("x"));
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_saw_begin_is_nothing() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[over("x")]);
    life.end().await;
    assert!(fake.list::<Anomaly>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_lives_in_the_operators_namespace_and_a_name_that_is_taken_is_left_alone() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    let mut node = fire("n");
    node.resource = api::shared::ResourceRef { kind: "Node".into(), name: "n1".into(), namespace: String::new() };
    life.account(0, &[node, fire("x")]);
    life.end().await;
    let all = fake.list::<Anomaly>();
    assert_eq!(all.iter().map(|a| a.namespace().unwrap()).collect::<Vec<_>>(), ["ops", "shop"]);
    // Another object has the name of our Anomaly.
    let name = all[1].name_any();
    let mut foreign = all[1].clone();
    foreign.spec.alert_id = None;
    foreign.metadata.uid = None;
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    fake.put(foreign);
    life.account(0, &[fire("x")]);
    life.end().await;
    let all = fake.list::<Anomaly>();
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|a| a.name_any() == name && a.spec.alert_id.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_storm_costs_two_writes_for_each_alert_and_none_is_lost() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    let alerts: Vec<Alert> = (0..500).map(|n| fire(&format!("x{n}"))).collect();
    life.account(0, &alerts);
    life.end().await;
    assert_eq!(fake.list::<Anomaly>().len(), 500);
    assert_eq!(fake.writes().len(), 1000);
}

/// An alert of Alertmanager, seen at a time after the start.
fn reported(id: &str, minutes: i64) -> Alert {
    Alert {
        source: api::shared::Source::Alertmanager,
        kept: Some(jiff::SignedDuration::from_hours(8)),
        last_seen: t0() + jiff::SignedDuration::from_mins(minutes),
        ..fire(id)
    }
}

fn reported_over(id: &str) -> Alert {
    Alert { resolved_at: Some(t0()), ..reported(id, 0) }
}

#[tokio::test(start_paused = true)]
async fn what_alertmanager_told_outlives_a_server_that_has_forgotten_it() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[fire("own")]);
    life.tell(0, reported("x", 0));
    life.settle().await;
    let anomaly = fake.list::<Anomaly>().into_iter().find(|a| a.spec.alert_id.as_deref() == Some("x")).unwrap();
    assert_eq!((anomaly.spec.source, anomaly.spec.kept_seconds), (api::shared::Source::Alertmanager, Some(8 * 3600)));
    assert_eq!(anomaly.labels()[api::keys::SOURCE], "alertmanager");
    // The server was started anew: it knows its own alerts again, Alertmanager's it does not.
    life.account(0, &[]);
    life.settle().await;
    assert_eq!(states(&fake), [("own".into(), RESOLVED), ("x".into(), FIRING)]);
    // Its end reaches the new one.
    life.tell(0, reported_over("x"));
    life.end().await;
    assert_eq!(states(&fake), [("own".into(), RESOLVED), ("x".into(), RESOLVED)]);
}

#[tokio::test(start_paused = true)]
async fn what_alertmanager_told_outlives_the_operator_too() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(0, &[reported("x", 0), reported("y", 0)]);
    life.end().await;
    let life = begin(&fake, &["a:1", "b:1"]).await;
    life.account(0, &[]);
    life.account(1, &[]);
    life.settle().await;
    assert_eq!(states(&fake), [("x".into(), FIRING), ("y".into(), FIRING)]);
    // It is over at once, whatever other servers have yet to say.
    life.tell(0, reported_over("x"));
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), FIRING)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_in_time_is_over() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[reported("x", 0), reported("y", 0)]);
    tokio::time::sleep(Duration::from_hours(7)).await;
    assert_eq!(states(&fake), [("x".into(), FIRING), ("y".into(), FIRING)]);
    life.tell(0, reported("y", 7 * 60));
    tokio::time::sleep(Duration::from_mins(65)).await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), FIRING)]);
    life.end().await;
    // The time of the other goes on in another life, whose clock begins anew, although no server tells it any more.
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[]);
    tokio::time::sleep(Duration::from_hours(14)).await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), FIRING)]);
    tokio::time::sleep(Duration::from_mins(65)).await;
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED), ("y".into(), RESOLVED)]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_gone_for_good_takes_its_reports_along() {
    let fake = FakeApi::new();
    let life = begin(&fake, &["a:1"]).await;
    life.account(0, &[reported("x", 0)]);
    life.settle().await;
    life.bridge.leave(0);
    tokio::time::sleep(Duration::from_mins(9)).await;
    assert_eq!(states(&fake), [("x".into(), FIRING)]);
    tokio::time::sleep(Duration::from_mins(2)).await;
    life.end().await;
    assert_eq!(states(&fake), [("x".into(), RESOLVED)]);
}
