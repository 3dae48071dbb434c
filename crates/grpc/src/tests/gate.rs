use std::time::Duration;

use prometheus_client::registry::Registry;
use proto::v1;
use tonic::Code;

use super::fake::*;
use crate::*;

fn question() -> v1::AnalyzeIssueRequest {
    v1::AnalyzeIssueRequest {
        issue_name: "i".into(),
        resource_kind: "Deployment".into(),
        resource_name: "web".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_server_goes_on() {
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    *eyes.analysis.lock().unwrap() = Behaviour::Panics;
    assert_eq!(client.analyze_issue(question()).await.unwrap_err().code(), Code::Internal);
    *eyes.analysis.lock().unwrap() = Behaviour::Answers;
    client.analyze_issue(question()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_ended_and_makes_room() {
    let eyes = Fake::new([]);
    let limits = Limits { deadline: Duration::from_millis(50), analyses: 1, calls: 1, ..Limits::default() };
    let server = Running::start(&eyes, Options { limits, ..Options::default() }).await;
    let mut client = server.client();
    *eyes.analysis.lock().unwrap() = Behaviour::Hangs;
    assert_eq!(client.analyze_issue(question()).await.unwrap_err().code(), Code::DeadlineExceeded);
    *eyes.analysis.lock().unwrap() = Behaviour::Answers;
    client.analyze_issue(question()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_until_one_ends() {
    let eyes = Fake::new([]);
    let limits = Limits { streams: 1, heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = Running::start(&eyes, Options { limits, ..Options::default() }).await;
    let mut client = server.client();
    let first = client.watch_alerts(v1::WatchAlertsRequest::default()).await.unwrap();
    let refused = client.watch_alerts(v1::WatchAlertsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // Calls have a limit of their own.
    client.get_alerts(v1::GetAlertsRequest::default()).await.unwrap();
    drop(first);
    tokio::time::timeout(PATIENCE, async {
        while client.watch_alerts(v1::WatchAlertsRequest::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let large = v1::AnalyzeIssueRequest { kubernetes_context: "x".repeat(5 << 20), ..question() };
    let refused = server.client().analyze_issue(large).await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options { token: Some(Token::new("t").unwrap()), ..Options::default() }).await;
    let mut registry = Registry::with_prefix("chatcli");
    server.metrics.register(&mut registry);
    let mut client = server.client();
    client.health(v1::HealthRequest {}).await.unwrap();
    client.get_alerts(v1::GetAlertsRequest::default()).await.unwrap_err();
    server.stop().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"chatcli_grpc_requests_total{method="/chatcli.v1.ChatCLIService/Health",code="OK"} 1"#,
        r#"chatcli_grpc_requests_total{method="/chatcli.v1.ChatCLIService/GetAlerts",code="Unauthenticated"} 1"#,
        r#"chatcli_grpc_in_flight_requests{method="/chatcli.v1.ChatCLIService/Health"} 0"#,
        r#"chatcli_grpc_request_duration_seconds_count{method="/chatcli.v1.ChatCLIService/Health"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
