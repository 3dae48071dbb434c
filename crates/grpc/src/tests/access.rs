use std::net::SocketAddr;
use std::time::Duration;

use proto::v1;
use proto::v1::chat_cli_service_client::ChatCliServiceClient;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::fake::*;
use crate::access::testing::{SECRET, hs256, now, rs256, set};
use crate::*;

fn jwt() -> Jwt {
    let jwt = Jwt::new(None, None);
    jwt.set_secret(SECRET).unwrap();
    jwt.set_keys(&set("k1")).unwrap();
    jwt
}

fn with<T>(message: T, header: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    request
}

fn alerts(header: &str) -> Request<v1::GetAlertsRequest> {
    with(v1::GetAlertsRequest::default(), header)
}

fn question() -> v1::AnalyzeIssueRequest {
    v1::AnalyzeIssueRequest {
        issue_name: "i".into(),
        resource_kind: "Deployment".into(),
        resource_name: "web".into(),
        ..Default::default()
    }
}

fn bearer(claims: &Value) -> String {
    format!("Bearer {}", hs256(SECRET, claims))
}

/// The seconds that a refusal says to wait.
fn seconds(status: &Status) -> u64 {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let told: u64 = status.metadata().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!(status.message().ends_with(&format!("retry after {told} seconds")), "{status}");
    told
}

#[tokio::test]
async fn roles_decide_what_a_jwt_may_do() {
    let eyes = Fake::new([]);
    let options = Options { jwt: Some(jwt()), token: Some(Token::new("shared").unwrap()), ..Options::default() };
    let server = Running::start(&eyes, options).await;
    let mut client = server.client();
    let until = now() + 60;
    let user = bearer(&json!({"sub": "u", "role": "user", "exp": until}));
    let reader = bearer(&json!({"sub": "r", "role": "readonly", "exp": until}));
    let public = format!("Bearer {}", rs256("k1", &json!({"sub": "p", "role": "admin", "exp": until})));
    for header in [user.as_str(), public.as_str(), "Bearer shared", "bearer shared"] {
        client.analyze_issue(with(question(), header)).await.unwrap();
    }
    client.get_alerts(alerts(&reader)).await.unwrap();
    let refused = client.analyze_issue(with(question(), &reader)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("readonly") && refused.message().contains("AnalyzeIssue"), "{refused}");
    let refused = client.agentic_step(with(v1::AgenticStepRequest::default(), &reader)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let late = client.get_alerts(alerts(&bearer(&json!({"exp": now() - 60})))).await.unwrap_err();
    assert_eq!(late.code(), Code::Unauthenticated);
    assert!(late.message().starts_with("authentication failed") && late.message().contains("expired"), "{late}");
    server.stop().await;
}

#[tokio::test]
async fn only_failures_count_as_failures_and_they_pass() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options { token: Some(Token::new("t").unwrap()), ..Options::default() }).await;
    let mut client = server.client();
    for _ in 0..200 {
        client.get_alerts(alerts("Bearer t")).await.unwrap();
    }
    for _ in 0..5 {
        let refused = client.get_alerts(alerts("Bearer wrong")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    // Another connection is no other caller. Guessing is over, also for the right guess.
    let wait = seconds(&server.client().get_alerts(alerts("Bearer t")).await.unwrap_err());
    assert!((1..=12).contains(&wait), "{wait}");
    // A probe goes on.
    client.health(v1::HealthRequest {}).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn each_caller_has_a_rate_of_its_own_and_learns_when_to_come_back() {
    let eyes = Fake::new([]);
    let rate = Some(Rate { per_second: 0.5, burst: 3 });
    let limits = Limits { rate, ..Limits::default() };
    let server = Running::start(&eyes, Options { jwt: Some(jwt()), limits, ..Options::default() }).await;
    let mut client = server.client();
    let of = |who: &str| bearer(&json!({"sub": who, "exp": now() + 60}));
    for _ in 0..3 {
        client.get_alerts(alerts(&of("a"))).await.unwrap();
    }
    let wait = seconds(&client.get_alerts(alerts(&of("a"))).await.unwrap_err());
    assert_eq!(wait, 2);
    client.get_alerts(alerts(&of("b"))).await.unwrap();
    server.stop().await;
}

/// A client that comes from another address of the loopback network.
async fn from(address: [u8; 4], to: SocketAddr) -> Option<ChatCliServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap().local_address(Some(address.into()));
    endpoint.connect().await.ok().map(ChatCliServiceClient::new)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_addresses_that_fail_lock_nobody_else_out() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options { token: Some(Token::new("t").unwrap()), ..Options::default() }).await;
    for number in 0..1000_u32 {
        let address = [127, 1, (number / 250) as u8, (number % 250 + 1) as u8];
        let Some(mut client) = from(address, server.address).await else { continue };
        for _ in 0..2 {
            client.get_alerts(alerts("Bearer wrong")).await.unwrap_err();
        }
    }
    server.client().get_alerts(alerts("Bearer t")).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn hostile_headers_are_refused_and_the_server_goes_on() {
    let eyes = Fake::new([]);
    let server = Running::start(
        &eyes,
        Options { token: Some(Token::new("t").unwrap()), jwt: Some(jwt()), ..Options::default() },
    )
    .await;
    for header in
        ["Bearer ", "Bearer  ", "Basic dDp0", "t", "Bearer a.b.c", "Bearer ..", &format!("Bearer {}", "x".repeat(8000))]
    {
        // Each on an address of its own, or the failures would be what is refused.
        let mut client = server.client();
        let refused = client.get_alerts(alerts(header)).await.unwrap_err();
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::ResourceExhausted), "{refused}");
    }
    let mut from_elsewhere = from([127, 0, 0, 9], server.address).await.unwrap();
    let mut request = Request::new(v1::GetAlertsRequest::default());
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", http::HeaderValue::from_bytes(b"Bearer \xff\xfe\x80").unwrap());
    headers.insert("x-request-id", http::HeaderValue::from_bytes(b"\xff\"\\").unwrap());
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    let refused = from_elsewhere.get_alerts(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    // More header than anybody needs.
    let huge = alerts(&format!("Bearer {}", "x".repeat(100 << 10)));
    from_elsewhere.get_alerts(huge).await.unwrap_err();
    from([127, 0, 0, 10], server.address).await.unwrap().get_alerts(alerts("Bearer t")).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn every_call_and_stream_is_in_the_audit_log_with_one_id() {
    let path = std::env::temp_dir().join(format!("grpc-{}-audit.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let audit = Audit::open(&path, || at(0)).unwrap();
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options { jwt: Some(jwt()), audit: Some(audit), ..Options::default() }).await;
    let mut client = server.client();
    let ana = bearer(&json!({"sub": "ana\n\"", "role": "user", "exp": now() + 60}));
    let mut request = alerts(&ana);
    request.metadata_mut().insert("x-request-id", "my-id".parse().unwrap());
    let answer = client.get_alerts(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "my-id");
    client.get_alerts(alerts("Bearer wrong")).await.unwrap_err();
    let stream = client.watch_alerts(with(v1::WatchAlertsRequest::default(), &ana)).await.unwrap();
    client.health(v1::HealthRequest {}).await.unwrap();
    drop(stream);
    // The server learns of it by the network.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while std::fs::read_to_string(&path).unwrap().lines().count() < 4 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop().await;

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str, code: Option<&str>| {
        let found = lines.iter().find(|line| line["event"] == event && line["code"].as_str() == code);
        found.unwrap_or_else(|| panic!("{event} {code:?} in {text}"))
    };
    let good = of("call", Some("OK"));
    assert_eq!((good["request_id"].as_str(), good["subject"].as_str()), (Some("my-id"), Some("ana\n\"")));
    assert_eq!((good["role"].as_str(), good["time"].as_str()), (Some("user"), Some("2023-11-14T22:13:20Z")));
    assert!(good["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(of("call", Some("Unauthenticated"))["subject"], "");
    let opened = of("open", None);
    let ended = lines.iter().find(|line| line["event"] == "call" && line["method"] == opened["method"]).unwrap();
    assert_eq!(opened["request_id"], ended["request_id"]);
    // Probes are not calls of anybody.
    assert_eq!(lines.len(), 4, "{text}");
    let _ = std::fs::remove_file(path);
}

#[tokio::test]
async fn health_and_reflection_are_those_that_tools_ask_for() {
    let eyes = Fake::new([]);
    *eyes.pending.lock().unwrap() = Some("the first look goes on".into());
    let token = || Some(Token::new("t").unwrap());
    let server = Running::start(&eyes, Options { token: token(), ..Options::default() }).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    // It can serve, whatever its eyes have seen so far; and a probe shows no token.
    for service in ["", "chatcli.v1.ChatCLIService"] {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let unknown = health.check(HealthCheckRequest { service: "other".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(described(channel, "Bearer t").await.unwrap_err().code(), Code::Unimplemented);
    server.stop().await;
    let last = tokio::time::timeout(Duration::from_secs(5), watch.message()).await.unwrap();
    assert!(last.map_or(true, |told| told.is_none_or(|told| told.status() == ServingStatus::NotServing)));

    let server = Running::start(&eyes, Options { token: token(), reflection: true, ..Options::default() }).await;
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let services = described(channel.clone(), "Bearer t").await.unwrap();
    assert!(services.iter().any(|name| name == "chatcli.v1.ChatCLIService"), "{services:?}");
    assert_eq!(described(channel, "Bearer x").await.unwrap_err().code(), Code::Unauthenticated);
    server.stop().await;
}

/// The services that reflection names.
async fn described(channel: Channel, header: &str) -> Result<Vec<String>, Status> {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let asked = with(futures::stream::iter([ask]), header);
    let answer = client.server_reflection_info(asked).await?.into_inner().message().await?;
    let Some(MessageResponse::ListServicesResponse(list)) = answer.and_then(|answer| answer.message_response) else {
        return Ok(Vec::new());
    };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}
