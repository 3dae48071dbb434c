use std::time::Duration;

use api::shared::{Severity, SignalType};
use ports::server_link::{Alert as Seen, LinkEvent, Settings};

use super::fake::*;
use super::old;
use crate::*;

/// How the operator must see an alert.
fn expected(alert: &Alert) -> Seen {
    Seen {
        id: alert.id.clone(),
        signal: alert.signal,
        resource: ResourceRef {
            kind: alert.workload.kind.clone(),
            name: alert.workload.name.clone(),
            namespace: alert.workload.namespace.clone().unwrap_or_default(),
        },
        resource_uid: alert.workload.uid.clone(),
        root: Some(alert.root.clone()),
        severity: alert.severity,
        message: alert.message.clone(),
        value: alert.value.clone(),
        threshold: alert.threshold.clone(),
        first_seen: alert.first_seen,
        last_seen: alert.last_seen,
        count: alert.count,
        resolved_at: alert.resolved_at,
        evidence: alert
            .evidence
            .iter()
            .map(|seen| api::anomaly::AnomalyEvidence {
                type_: <&str>::from(seen.source).to_owned(),
                object: seen.object.clone(),
                detail: seen.detail.clone(),
                time: seen.time.map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time),
            })
            .collect(),
        source: api::shared::Source::Watcher,
        kept: None,
    }
}

#[tokio::test]
async fn alerts_arrive_whole_then_changes_then_their_end() {
    let first = alert("a", "shop", "web");
    let eyes = Fake::new([first.clone()]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut link = Link::start(server.settings());
    assert_eq!(link.next().await, LinkEvent::Begin);
    assert_eq!(link.next_alert().await, expected(&first));
    assert_eq!(link.next().await, LinkEvent::Synced);

    let node = Alert {
        signal: SignalType::NodeNotReady,
        severity: Severity::Critical,
        workload: object("Node", "", "n1"),
        root: object("Node", "", "n1"),
        pod: None,
        ..alert("b", "", "n1")
    };
    eyes.fire(node.clone());
    assert_eq!(link.next_alert().await, expected(&node));
    eyes.resolve("a", at(50));
    assert_eq!(link.next_alert().await.resolved_at, Some(at(50)));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_asked_for_everything() {
    let eyes = Fake::new([alert("a", "shop", "web"), alert("b", "shop", "api")]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut link = Link::start(server.settings());
    assert_eq!(link.account().await, ["a", "b"]);
    let port = server.address.port();
    server.stop().await;
    let why = link.disconnected().await;
    assert!(why.contains("stopping"), "{why}");
    // Meanwhile one has ended, which nobody told.
    eyes.resolve("a", at(50));
    let server = Running::start(&eyes, Options { port, ..Options::default() }).await;
    assert_eq!(link.account().await, ["b"]);
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_said_to_be_all_before_everything_was_looked_at() {
    let eyes = Fake::new([]);
    *eyes.pending.lock().unwrap() = Some("the pods have not arrived yet".into());
    let server = Running::start(
        &eyes,
        Options { limits: Limits { heartbeat: Duration::from_millis(20), ..Limits::default() }, ..Options::default() },
    )
    .await;
    let mut stream = server.client().watch_alerts(proto::v1::WatchAlertsRequest::default()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.kind(), proto::v1::alert_event::Kind::State);
    for _ in 0..3 {
        let event = stream.message().await.unwrap().unwrap();
        assert_eq!(event.kind(), proto::v1::alert_event::Kind::Heartbeat);
    }
    let refused = server.client().get_alerts(proto::v1::GetAlertsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("the pods have not arrived yet"), "{refused}");
    let health = server.client().health(proto::v1::HealthRequest {}).await.unwrap().into_inner();
    // It can serve; what it has seen so far is another matter.
    assert_eq!(health.status(), proto::v1::health_response::ServingStatus::Serving);

    let mut link = Link::start(server.settings());
    assert_eq!(link.next().await, LinkEvent::Begin);
    // What is found meanwhile is told at once.
    eyes.fire(alert("a", "shop", "web"));
    assert_eq!(link.next_alert().await.id, "a");
    eyes.fire(alert("b", "shop", "api"));
    *eyes.pending.lock().unwrap() = None;
    assert_eq!(link.next_alert().await.id, "b");
    assert_eq!(link.next().await, LinkEvent::Synced);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_falls_behind_gets_a_full_account_again() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut link = Link::start(server.settings());
    assert!(link.account().await.is_empty());
    // Nothing else runs meanwhile: more changes than the channel holds.
    for number in 0..200 {
        eyes.fire(alert(&format!("{number:03}"), "shop", "web"));
    }
    let why = link.disconnected().await;
    assert!(why.contains("behind"), "{why}");
    let all = link.account().await;
    assert_eq!((all.len(), all.first().unwrap().as_str(), all.last().unwrap().as_str()), (200, "000", "199"));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_neither_the_others_nor_the_end() {
    let eyes = Fake::new([]);
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let server = Running::start(&eyes, Options { limits, ..Options::default() }).await;
    let deaf = server.client().watch_alerts(proto::v1::WatchAlertsRequest::default()).await.unwrap();
    let mut link = Link::start(server.settings());
    assert!(link.account().await.is_empty());
    // More than the windows of the deaf one's connection take.
    for number in 0..150 {
        let id = number.to_string();
        eyes.fire(Alert { message: "x".repeat(64 << 10), ..alert(&id, "shop", "web") });
        assert_eq!(link.next_alert().await.id, id);
    }
    server.stop().await;
    drop(deaf);
}

#[tokio::test]
async fn a_server_without_the_stream_is_asked_at_intervals() {
    let mut first = alert("a", "shop", "web");
    first.signal = SignalType::OomKill;
    let eyes = Fake::new([first.clone()]);
    let old = old::start(eyes.clone()).await;
    let settings = Settings { poll: Duration::from_millis(20), ..Settings::new(&format!("http://{}", old.address)) };
    let mut link = Link::start(settings);
    assert_eq!(link.next().await, LinkEvent::Begin);
    let seen = link.next_alert().await;
    assert_eq!((seen.signal, seen.severity), (SignalType::OomKill, Severity::Critical));
    assert_eq!(seen.resource, expected(&first).resource);
    assert_eq!((seen.first_seen, seen.message), (first.first_seen, first.message));
    assert_eq!(link.next().await, LinkEvent::Synced);
    eyes.resolve("a", at(50));
    while !link.account().await.is_empty() {}
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_the_remedy_and_the_right_one_is_used_without_a_restart() {
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let token = Token::new("right").unwrap();
    let server = Running::start(&eyes, Options { token: Some(token.clone()), ..Options::default() }).await;
    let file = File::new("token", "wrong\n");
    let mut link = Link::start(Settings { token_file: Some(file.0.clone()), ..server.settings() });
    let why = link.disconnected().await;
    assert!(why.contains("--token-file"), "{why}");
    std::fs::write(&file.0, "right\n").unwrap();
    assert_eq!(link.account().await, ["a"]);

    let bare = server.client().get_alerts(proto::v1::GetAlertsRequest::default()).await.unwrap_err();
    assert_eq!(bare.code(), tonic::Code::Unauthenticated);
    assert!(bare.message().contains("Bearer"), "{bare}");
    // A probe has no token.
    server.client().health(proto::v1::HealthRequest {}).await.unwrap();
    server.stop().await;
}
