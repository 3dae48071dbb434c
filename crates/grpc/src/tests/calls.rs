use api::issue::FailedAttempt;
use api::shared::{ActionType, RemediationAction, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use ports::server_link::{LinkError, Question as Asked, ServerLink};
use proto::v1;
use tonic::Code;

use super::fake::*;
use crate::*;

fn asked() -> Asked {
    Asked {
        issue: "web-down".into(),
        namespace: "shop".into(),
        resource: ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() },
        root: Some(object("ConfigMap", "shop", "web-config")),
        signal: "crashloop_backoff".into(),
        severity: Severity::High,
        description: "d".into(),
        risk: 40,
        provider: "BUILTIN".into(),
        model: String::new(),
        attempt: 2,
        failed: vec![FailedAttempt {
            attempt: 1,
            plan: "web-down-1".into(),
            actions: vec![RemediationAction {
                type_: ActionType::RollbackDeployment,
                params: [("toRevision".to_owned(), "1".to_owned())].into(),
            }],
            reason: "the signal stayed".into(),
            time: Time(at(3)),
        }],
        spent: ports::server_link::Usage::default(),
    }
}

#[tokio::test]
async fn an_analysis_loses_nothing_on_its_way() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let link = ServerLink::new(server.settings()).unwrap();
    let question = asked();
    let answer = link.analyze(&question).await.unwrap();

    let heard = eyes.asked.lock().unwrap().pop().unwrap();
    assert_eq!((heard.resource, heard.root, heard.signal), (question.resource, question.root, question.signal));
    let failed = heard.failed.first().unwrap();
    assert_eq!(failed.action, "RollbackDeployment");
    assert_eq!(failed.params, question.failed[0].actions[0].params);

    let Diagnosis { cause, actions, recommendations, analysis, log_analysis, .. } = diagnosis();
    assert_eq!(answer.text, analysis);
    assert!((answer.confidence - cause.confidence).abs() < f64::EPSILON);
    assert_eq!(answer.root_cause, Some(cause));
    assert_eq!((answer.actions, answer.recommendations), (actions, recommendations));
    assert_eq!((answer.log_analysis, answer.answered_by.as_str()), (log_analysis, BUILTIN));
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_analysed_before_everything_was_looked_at() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let link = ServerLink::new(server.settings()).unwrap();
    *eyes.pending.lock().unwrap() = Some("3 of 8 workloads and nodes were not looked at yet".into());
    let refused = link.analyze(&asked()).await.unwrap_err();
    assert!(matches!(&refused, LinkError::Unavailable { why, .. } if why.contains("3 of 8")), "{refused}");
    assert!(eyes.asked.lock().unwrap().is_empty());
    *eyes.pending.lock().unwrap() = None;
    link.analyze(&asked()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_node_is_asked_for_without_the_namespace_of_its_issue() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let link = ServerLink::new(server.settings()).unwrap();
    let resource = ResourceRef { kind: "Node".into(), name: "n1".into(), namespace: String::new() };
    link.analyze(&Asked { resource: resource.clone(), ..asked() }).await.unwrap();
    assert_eq!(eyes.asked.lock().unwrap().pop().unwrap().resource, resource);
    server.stop().await;
}

#[tokio::test]
async fn a_question_without_an_object_is_refused_with_the_field() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let whole = v1::AnalyzeIssueRequest {
        issue_name: "i".into(),
        resource_kind: "Deployment".into(),
        resource_name: "web".into(),
        ..Default::default()
    };
    for (request, field) in [
        (v1::AnalyzeIssueRequest { issue_name: String::new(), ..whole.clone() }, "issue_name"),
        (v1::AnalyzeIssueRequest { resource_kind: String::new(), ..whole.clone() }, "resource_kind"),
        (v1::AnalyzeIssueRequest { resource_name: String::new(), ..whole.clone() }, "resource_name"),
        (v1::AnalyzeIssueRequest { description: "x".repeat(51 << 10), ..whole.clone() }, "description"),
    ] {
        let refused = server.client().analyze_issue(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field) && refused.message().contains("remedy"), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let eyes = Fake::new([alert("a", "shop", "web"), alert("b", "shop", "api"), alert("c", "bank", "web")]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    for (namespace, deployment, ids) in
        [("", "", "abc"), ("shop", "", "ab"), ("", "web", "ac"), ("bank", "web", "c"), ("bank", "api", "")]
    {
        let request = v1::GetAlertsRequest { namespace: namespace.into(), deployment: deployment.into() };
        let answer = client.get_alerts(request).await.unwrap().into_inner();
        assert_eq!(answer.alerts.into_iter().map(|alert| alert.id).collect::<String>(), ids);
    }

    let request = v1::WatchAlertsRequest { namespace: "bank".into() };
    let mut stream = client.watch_alerts(request).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while heard.last() != Some(&"SYNCED".to_owned()) {
        let event = stream.message().await.unwrap().unwrap();
        if event.kind() != v1::alert_event::Kind::State {
            heard.push(event.alert.map_or_else(|| "SYNCED".to_owned(), |alert| alert.id));
        }
    }
    eyes.fire(alert("d", "shop", "web"));
    eyes.fire(alert("e", "bank", "web"));
    heard.push(stream.message().await.unwrap().unwrap().alert.unwrap().id);
    assert_eq!(heard, ["c", "SYNCED", "e"]);
    server.stop().await;
}

#[tokio::test]
async fn the_server_says_what_it_is_and_sees() {
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    let info = client.get_server_info(v1::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.version.as_str(), info.provider.as_str(), info.watcher_active), ("1.2.3", BUILTIN, true));
    let status = client.get_watcher_status(v1::GetWatcherStatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.active, status.alert_count, status.pod_count), (true, 1, 5));
    assert_eq!(status.status_summary, "Watching all namespaces: 2 workloads, 5 pods, 1 open alerts");
    let health = client.health(v1::HealthRequest {}).await.unwrap().into_inner();
    assert_eq!(health.status(), v1::health_response::ServingStatus::Serving);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_no_refusal() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let settings = server.settings();
    server.stop().await;
    let error = ServerLink::new(settings).unwrap().analyze(&asked()).await.unwrap_err();
    assert!(matches!(error, LinkError::Unavailable { .. }), "{error}");
}
