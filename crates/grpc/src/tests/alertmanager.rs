//! The webhook of Alertmanager on the port of gRPC: who may post, what is answered, who is told.

use std::time::Duration;

use domain::detection::alertmanager::Payload;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fake::*;
use crate::access::testing::{SECRET, hs256, now};
use crate::*;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request by HTTP/1.1, as Alertmanager makes them without TLS.
async fn send(server: &Running, method: &str, token: Option<&str>, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {ALERTMANAGER} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that has refused the head may close before everything is written.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let whole = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
        (body.len() >= length).then_some(())
    };
    let reading = async {
        while whole(&answer).is_none() {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
        }
        // Alertmanager would use the same connection again, and always reach the same replica.
        if answer.starts_with(b"HTTP/1.1 503") {
            assert_eq!(stream.read_buf(&mut Vec::new()).await.unwrap(), 0);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn message(alerts: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let alerts: Vec<Value> = alerts.into_iter().collect();
    json!({"version": "4", "status": "firing", "alerts": alerts}).to_string().into_bytes()
}

fn firing(number: usize) -> Value {
    json!({"status": "firing", "labels": {"alertname": "a", "n": number.to_string()}})
}

fn over(number: usize) -> Value {
    json!({"status": "resolved", "labels": {"alertname": "a", "n": number.to_string()}})
}

fn id(alert: Value) -> String {
    Payload::parse(&message([alert])).unwrap().notices[0].id()
}

#[tokio::test]
async fn only_who_has_the_token_may_post_and_hears_why_not() {
    let eyes = Fake::new([]);
    let jwt = Jwt::new(None, None);
    jwt.set_secret(SECRET).unwrap();
    let options = Options { token: Some(Token::new("right").unwrap()), jwt: Some(jwt), ..Options::default() };
    let server = Running::start(&eyes, options).await;
    let bare = send(&server, "POST", None, &message([firing(1)])).await;
    assert_eq!((bare.status, bare.body.contains("remedy")), (401, true), "{}", bare.body);
    assert!(bare.head.contains("www-authenticate: bearer"), "{}", bare.head);
    let wrong = send(&server, "POST", Some("wrong"), &message([firing(1)])).await;
    assert_eq!((wrong.status, wrong.body.starts_with("authentication failed")), (401, true), "{}", wrong.body);
    let reader = hs256(SECRET, &json!({"sub": "r", "role": "readonly", "exp": now() + 60}));
    let refused = send(&server, "POST", Some(&reader), &message([firing(1)])).await;
    assert_eq!((refused.status, refused.body.contains("readonly")), (403, true), "{}", refused.body);
    assert!(eyes.alerts().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn what_is_posted_reaches_who_listens_before_it_is_answered() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options { token: Some(Token::new("t").unwrap()), ..Options::default() }).await;
    // Nobody would hear of it: it must be sent again, and on another connection.
    let nobody = send(&server, "POST", Some("t"), &message([firing(1)])).await;
    assert_eq!(nobody.status, 503, "{}", nobody.body);
    assert!(nobody.head.contains("retry-after: 1") && nobody.head.contains("connection: close"), "{}", nobody.head);
    assert!(eyes.alerts().is_empty());

    let file = File::new("am-token", "t");
    let mut link = Link::start(ports::server_link::Settings { token_file: Some(file.0.clone()), ..server.settings() });
    assert!(link.account().await.is_empty());
    let outside = json!({"status": "firing", "labels": {"alertname": "b", "outside": "yes"}});
    let answer = send(&server, "POST", Some("t"), &message([firing(1), outside, json!(7)])).await.json();
    assert_eq!((&answer["new"], &answer["outside"], &answer["refused"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(answer["reasons"].as_array().unwrap().len(), 2, "{answer}");
    let told = link.next_alert().await;
    assert_eq!(
        (told.id.as_str(), told.source, told.kept),
        (id(firing(1)).as_str(), api::shared::Source::Alertmanager, Some(KEPT))
    );

    // Twice is once; then it is over.
    assert_eq!(send(&server, "POST", Some("t"), &message([firing(1)])).await.json()["late"], json!(1));
    assert_eq!(send(&server, "POST", Some("t"), &message([over(1)])).await.json()["over"], json!(1));
    assert!(link.next_alert().await.resolved_at.is_some());

    let mut registry = prometheus_client::registry::Registry::with_prefix("chatcli");
    server.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "chatcli_alertmanager_alerts_total{result=\"new\"} 1",
        "chatcli_alertmanager_alerts_total{result=\"outside\"} 1",
        "chatcli_grpc_requests_total{method=\"/api/v1/webhooks/alertmanager\",code=\"OK\"} 3",
        "chatcli_grpc_requests_total{method=\"/api/v1/webhooks/alertmanager\",code=\"Unavailable\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_storm_of_ten_thousand_alerts_reaches_a_listener_whole() {
    let eyes = Fake::with_backlog([], 512);
    let server = Running::start(&eyes, Options::default()).await;
    let mut link = Link::start(server.settings());
    assert!(link.account().await.is_empty());
    let hearing = tokio::spawn(async move {
        let mut ids = std::collections::HashSet::new();
        while ids.len() < 10_000 {
            ids.insert(link.next_alert().await.id);
        }
        ids.len()
    });
    let answer = send(&server, "POST", None, &message((0..10_000).map(firing))).await.json();
    assert_eq!(answer["new"], json!(10_000));
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), hearing).await.unwrap().unwrap(), 10_000);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_what_may_pass_is_asked_for_again() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let get = send(&server, "GET", None, b"").await;
    assert_eq!((get.status, get.head.contains("allow: post")), (405, true), "{}", get.head);
    for body in [&b"no json"[..], b"", b"{}", &[0xff, 0xfe]] {
        let refused = send(&server, "POST", None, body).await;
        assert_eq!((refused.status, refused.body.contains("remedy")), (400, true), "{}", refused.body);
    }
    let huge = send(&server, "POST", None, &vec![b' '; 9 << 20]).await;
    assert_eq!((huge.status, huge.body.contains("max_alerts")), (413, true), "{}", huge.body);
    let mut link = Link::start(server.settings());
    assert!(link.account().await.is_empty());
    for (why, status) in [(NotNow::Later("soon".into()), 503), (NotNow::Never("in vain".into()), 409)] {
        *eyes.not_now.lock().unwrap() = Some(why);
        let refused = send(&server, "POST", None, &message([firing(1)])).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        assert_eq!(refused.head.contains("connection: close"), status == 503);
    }
    // The methods of gRPC go on beside it.
    let answer = server.client().health(proto::v1::HealthRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().version, "1.2.3");
    server.stop().await;
}

#[tokio::test]
async fn an_operator_that_asks_now_and_then_listens_too() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    server.client().get_alerts(proto::v1::GetAlertsRequest::default()).await.unwrap();
    assert_eq!(send(&server, "POST", None, &message([firing(1)])).await.json()["new"], json!(1));
    let told = server.client().get_alerts(proto::v1::GetAlertsRequest::default()).await.unwrap().into_inner();
    assert_eq!(told.alerts.len(), 1);
    assert_eq!((told.alerts[0].source.as_str(), told.alerts[0].kept_seconds), ("alertmanager", 8 * 3600));
    server.stop().await;
}
