use proto::v1;
use proto::v1::alert_event::Kind;
use tonic::{Code, Streaming};

use super::fake::*;
use crate::*;

async fn open(server: &Running) -> Streaming<v1::AlertEvent> {
    server.client().watch_alerts(v1::WatchAlertsRequest::default()).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<v1::AlertEvent>) -> v1::AlertEvent {
    loop {
        let event = tokio::time::timeout(PATIENCE, stream.message()).await.expect("nothing came").unwrap().unwrap();
        if event.kind() != Kind::Heartbeat {
            return event;
        }
    }
}

fn standby(standby: bool) -> Arc<ServerState> {
    Arc::new(ServerState { standby, ..ServerState::default() })
}

#[tokio::test]
async fn the_state_comes_first_and_whenever_it_changes() {
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut stream = open(&server).await;
    let first = next(&mut stream).await;
    assert_eq!(first.kind(), Kind::State);
    assert_eq!(first.state.unwrap().provider.unwrap().name, BUILTIN);
    assert_eq!(next(&mut stream).await.alert.unwrap().id, "a");
    assert_eq!(next(&mut stream).await.kind(), Kind::Synced);

    let target = TargetState {
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "web".into(),
        looked_at: true,
        problem: "p".into(),
    };
    let provider = ProviderState { name: "OPENAI".into(), model: "m".into(), ready: false, problem: "no key".into() };
    eyes.states.send_replace(Arc::new(ServerState { standby: false, targets: vec![target], provider }));
    let told = next(&mut stream).await;
    assert_eq!(told.kind(), Kind::State);
    let state = told.state.unwrap();
    assert_eq!((state.targets[0].name.as_str(), state.targets[0].looked_at), ("web", true));
    assert_eq!(state.targets[0].problem, "p");
    assert_eq!(state.provider.unwrap().problem, "no key");
    let info = server.client().get_server_info(v1::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.provider.as_str(), info.model.as_str()), ("OPENAI", "m"));
    server.stop().await;
}

#[tokio::test]
async fn a_standby_tells_nothing_until_it_takes_over_and_then_everything() {
    let eyes = Fake::new([alert("a", "shop", "web")]);
    eyes.states.send_replace(standby(true));
    let limits = Limits { heartbeat: std::time::Duration::from_millis(10), ..Limits::default() };
    let server = Running::start(&eyes, Options { limits, ..Options::default() }).await;
    let mut stream = open(&server).await;
    assert!(next(&mut stream).await.state.unwrap().standby);
    eyes.fire(alert("b", "shop", "api"));
    for _ in 0..3 {
        assert_eq!(stream.message().await.unwrap().unwrap().kind(), Kind::Heartbeat);
    }
    // It answers all the same.
    assert_eq!(server.client().get_alerts(v1::GetAlertsRequest::default()).await.unwrap().into_inner().alerts.len(), 2);

    eyes.states.send_replace(standby(false));
    assert!(!next(&mut stream).await.state.unwrap().standby);
    let ids = [next(&mut stream).await.alert.unwrap().id, next(&mut stream).await.alert.unwrap().id];
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(next(&mut stream).await.kind(), Kind::Synced);

    // Another one takes over: this account is nobody's any more.
    eyes.states.send_replace(standby(true));
    let ended = loop {
        match stream.message().await {
            Ok(Some(event)) => assert_ne!(event.kind(), Kind::Alert),
            Ok(None) => panic!("it ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("another replica"), "{ended}");
    server.stop().await;
}

#[tokio::test]
async fn an_analysis_tells_who_gave_it_and_why_not_the_other() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let request = v1::AnalyzeIssueRequest {
        issue_name: "i".into(),
        resource_kind: "Deployment".into(),
        resource_name: "web".into(),
        provider: "OPENAI".into(),
        spent: Some(v1::Usage { input_tokens: 5, output_tokens: -1, cost_usd: f64::NAN, calls: 1 }),
        ..v1::AnalyzeIssueRequest::default()
    };
    let answer = server.client().analyze_issue(request).await.unwrap().into_inner();
    assert_eq!((answer.provider.as_str(), answer.model.as_str()), (BUILTIN, BUILTIN_MODEL));
    let heard = eyes.asked.lock().unwrap().pop().unwrap().ask;
    assert_eq!((heard.issue.as_str(), heard.provider.as_str()), ("i", "OPENAI"));
    assert_eq!((heard.spent.input_tokens, heard.spent.output_tokens, heard.spent.cost_usd), (5, 0, 0.0));
    server.stop().await;
}
