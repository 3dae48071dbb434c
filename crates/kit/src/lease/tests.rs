#![expect(clippy::disallowed_methods, reason = "a test's own tasks end with it")]

use k8s_openapi::api::coordination::v1::Lease;
use testkit::fake_api::FakeApi;

use super::*;
use crate::clock::ManualClock;

const TIMES: Times = Times { duration: Duration::from_secs(10), renew: Duration::from_secs(3) };

fn elector(fake: &FakeApi, me: &str) -> Elector {
    // A clock that stands still: nothing may depend on the wall clock.
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
    Elector::new(fake.client(), "system", "leader", me, TIMES, clock, &Metrics::new("test"))
}

fn holder(fake: &FakeApi) -> Option<String> {
    fake.get::<Lease>("system", "leader")?.spec?.holder_identity
}

/// The renewal time must change with each write, so the standing clock is moved by hand through the API.
fn touch(fake: &FakeApi, second: i64) {
    let time = jiff::Timestamp::from_second(second).unwrap();
    fake.edit::<Lease>("system", "leader", |lease| {
        lease["spec"]["renewTime"] = serde_json::json!(format!("{time:.6}"));
    });
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_for_the_first_to_let_go() {
    let fake = FakeApi::new();
    let first = elector(&fake, "one").acquire().await;
    let token = CancellationToken::new();
    let keeping = tokio::spawn(first.keep(token.clone()));
    let second = tokio::spawn(elector(&fake, "two").acquire());
    for second in 1..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        touch(&fake, second);
    }
    assert_eq!(holder(&fake).as_deref(), Some("one"));
    assert!(!second.is_finished());
    token.cancel();
    let released = Instant::now();
    keeping.await.unwrap().unwrap();
    second.await.unwrap();
    assert_eq!(holder(&fake).as_deref(), Some("two"));
    assert!(released.elapsed() < Duration::from_millis(100), "{:?}", released.elapsed());
    assert_eq!(fake.get::<Lease>("system", "leader").unwrap().spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_followed_after_the_duration_and_not_before() {
    let fake = FakeApi::new();
    drop(elector(&fake, "one").acquire().await);
    let began = Instant::now();
    elector(&fake, "two").acquire().await;
    let took = began.elapsed();
    assert!(took >= TIMES.duration && took < TIMES.duration + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_gives_up_before_another_may_begin() {
    let fake = FakeApi::new();
    let leader = elector(&fake, "one").acquire().await;
    fake.fail("update", "leases", 500, usize::MAX);
    let began = Instant::now();
    let lost = leader.keep(CancellationToken::new()).await.unwrap_err();
    assert!(began.elapsed() <= Duration::from_secs(7), "{:?}", began.elapsed());
    assert!(lost.to_string().contains("not renewed"), "{lost}");

    fake.heal();
    let fake = FakeApi::new();
    let leader = elector(&fake, "one").acquire().await;
    fake.stall("update", "leases", usize::MAX);
    let began = Instant::now();
    leader.keep(CancellationToken::new()).await.unwrap_err();
    assert!(began.elapsed() <= Duration::from_secs(7), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_short_trouble_does_not_cost_the_lead() {
    let fake = FakeApi::new();
    let leader = elector(&fake, "one").acquire().await;
    let token = CancellationToken::new();
    let keeping = tokio::spawn(leader.keep(token.clone()));
    fake.fail("update", "leases", 500, 3);
    fake.fail("update", "leases", 409, 1);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!keeping.is_finished());
    token.cancel();
    keeping.await.unwrap().unwrap();
    assert_eq!(holder(&fake), None);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_sees_another_name_stops() {
    let fake = FakeApi::new();
    let leader = elector(&fake, "one").acquire().await;
    fake.edit::<Lease>("system", "leader", |lease| lease["spec"]["holderIdentity"] = serde_json::json!("two"));
    let lost = leader.keep(CancellationToken::new()).await.unwrap_err();
    assert!(lost.to_string().contains("two holds it"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_ask_at_once_one_leads() {
    let fake = FakeApi::new();
    let (one, two) = (tokio::spawn(elector(&fake, "one").acquire()), tokio::spawn(elector(&fake, "two").acquire()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(one.is_finished() != two.is_finished());
}
