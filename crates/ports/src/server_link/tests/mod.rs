//! What goes over the wire; the connection itself is in `dial`, the stream in `stream`.

mod dial;
mod stream;

use api::shared::Severity;
use jiff::Timestamp;
use proto::v1;

use super::convert;
use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

#[test]
fn an_alert_of_an_older_server_is_understood() {
    let wire = v1::WatcherAlert {
        r#type: "NodeNotReady".into(),
        severity: "CRITICAL".into(),
        message: "m".into(),
        object: "Node/n1".into(),
        namespace: "shop".into(),
        deployment: "web".into(),
        timestamp_unix: 5,
        ..Default::default()
    };
    let alert = convert::alert(wire.clone(), now()).unwrap();
    assert_eq!(
        (alert.resource.kind.as_str(), alert.resource.name.as_str(), alert.resource.namespace.as_str()),
        ("Node", "n1", "")
    );
    assert_eq!(alert.severity, Severity::Critical);
    let later = convert::alert(v1::WatcherAlert { timestamp_unix: 9, ..wire.clone() }, now()).unwrap();
    assert_eq!(alert.id, later.id);
    assert!(convert::alert(v1::WatcherAlert { r#type: "Nonsense".into(), ..wire }, now()).is_err());
}

#[test]
fn an_empty_answer_is_none_and_an_unknown_action_is_advice() {
    assert!(convert::analysis(v1::AnalyzeIssueResponse { analysis: "  ".into(), ..Default::default() }).is_none());
    let action = |name: &str| v1::SuggestedAction { name: "n".into(), action: name.into(), ..Default::default() };
    let answer = convert::analysis(v1::AnalyzeIssueResponse {
        analysis: "a".into(),
        confidence: 0.9,
        suggested_actions: vec![action("RollbackDeployment"), action("Reboot")],
        ..Default::default()
    })
    .unwrap();
    assert_eq!((answer.actions.len(), answer.recommendations.len(), answer.confidence), (1, 1, 0.9));
}

#[tokio::test]
async fn a_server_that_is_away_is_said_so_and_an_address_is_checked() {
    assert!(ServerLink::new(Settings::new("localhost:1")).is_err());
    let link = ServerLink::new(Settings::new("http://127.0.0.1:1")).unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let run = link.run(sender, now);
    let first = async { receiver.recv().await };
    tokio::select! {
        () = run => panic!("ended"),
        event = first => assert!(matches!(event, Some(LinkEvent::Disconnected { .. }))),
    }
}

#[test]
fn what_a_server_says_of_itself_and_what_an_analysis_cost_is_taken_over() {
    let state = convert::state(v1::ServerState {
        standby: true,
        targets: vec![v1::TargetState {
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: String::new(),
            looked_at: false,
            problem: "no right to list pods".into(),
        }],
        provider: Some(v1::ProviderState { name: "OPENAI".into(), ready: true, ..Default::default() }),
    });
    assert!(state.standby);
    let target = &state.targets[0];
    assert_eq!((target.name.clone(), target.problem.as_deref()), (None, Some("no right to list pods")));
    assert_eq!(state.provider.unwrap().problem, None);
    let usage = v1::Usage { input_tokens: -5, output_tokens: 7, cost_usd: f64::NAN, calls: 1 };
    let analysis = convert::analysis(v1::AnalyzeIssueResponse {
        analysis: "a".into(),
        usage: Some(usage),
        fallback_reason: "OPENAI answers 429".into(),
        ..Default::default()
    })
    .unwrap();
    assert_eq!(analysis.usage, Some(Usage { input_tokens: 0, output_tokens: 7, cost_usd: 0.0, calls: 1 }));
    assert_eq!(analysis.fallback_reason.as_deref(), Some("OPENAI answers 429"));
}
