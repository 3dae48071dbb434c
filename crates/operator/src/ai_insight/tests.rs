//! One reconcile at a time: what is asked, what is written, what a failure says.

use api::ai_insight::AIInsightSpec;
use api::shared::{IssueRef, IssueState};
use jiff::Timestamp;
use kit::classify::{Class, Classified};
use kit::clock::ManualClock;
use ports::server_link::{Alert, Analysis, LinkEvent, Question, ServerLink, Settings};
use serde_json::json;
use testkit::fake_api::{FakeApi, Fault};

use super::*;
use crate::tests::world::{Analyst, alert, t0};

fn issue() -> Issue {
    serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"description": "d", "resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "severity": "high", "source": "watcher"},
        "status": {"state": "Analyzing", "maxRemediationAttempts": 3, "remediationAttempts": 0},
    }))
    .unwrap()
}

fn insight(attempt: i32) -> AIInsight {
    let mut insight = AIInsight::new(
        "web-insight",
        AIInsightSpec {
            issue_ref: IssueRef { name: "web".into() },
            model: "m".into(),
            provider: "p".into(),
            attempt: Some(attempt),
        },
    );
    insight.metadata.namespace = Some("shop".into());
    insight
}

fn controller(fake: &FakeApi, analyst: &Analyst) -> Controller<Analyst> {
    let client = fake.client();
    let events = Events::new(client.clone(), "test");
    Controller { client, servers: analyst.clone(), events, clock: Arc::new(ManualClock::new(t0())) }
}

async fn once(fake: &FakeApi, analyst: &Analyst) -> Result<Next, Error> {
    let object = fake.get::<AIInsight>("shop", "web-insight").unwrap();
    controller(fake, analyst).reconcile(Arc::new(object)).await
}

fn condition(fake: &FakeApi) -> (String, String) {
    let status = fake.get::<AIInsight>("shop", "web-insight").unwrap().status.unwrap();
    (status.conditions[0].status.clone(), status.conditions[0].reason.clone())
}

#[tokio::test]
async fn an_answer_is_written_once_and_a_new_attempt_asks_again() {
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let analyst = Analyst::rollback();
    for _ in 0..3 {
        once(&fake, &analyst).await.unwrap();
    }
    assert_eq!(analyst.asked.lock().unwrap().len(), 1);
    let status = fake.get::<AIInsight>("shop", "web-insight").unwrap().status.unwrap();
    assert_eq!((status.analyzed_attempt, status.confidence), (Some(1), Some(0.95)));
    assert_eq!((status.answered_by.as_deref(), status.suggested_actions.len()), (Some("TEST"), 1));
    assert_eq!(condition(&fake), ("True".into(), "Answered".into()));
    fake.edit::<AIInsight>("shop", "web-insight", |i| i["spec"]["attempt"] = json!(2));
    once(&fake, &analyst).await.unwrap();
    let asked: Vec<Question> = analyst.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), asked[1].attempt, asked[1].provider.as_str()), (2, 2, "p"));
}

#[tokio::test]
async fn what_an_incident_costs_adds_up_and_is_told_to_the_next_analysis() {
    use ports::server_link::Usage;
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let usage = Usage { input_tokens: 1000, output_tokens: 100, cost_usd: 0.25, calls: 2 };
    let answered = async |attempt: i32| {
        let object = fake.get::<AIInsight>("shop", "web-insight").unwrap();
        let analysis = Analysis {
            text: "x".into(),
            answered_by: "BUILTIN".into(),
            usage: Some(usage),
            fallback_reason: (attempt == 1).then(|| "CLAUDEAI (m): HTTP 401".into()),
            ..Analysis::default()
        };
        controller(&fake, &Analyst::default()).answer(&object, &analysis, attempt).await.unwrap();
        fake.get::<AIInsight>("shop", "web-insight").unwrap()
    };
    let first = answered(1).await.status.unwrap();
    assert_eq!(first.fallback_reason.as_deref(), Some("CLAUDEAI (m): HTTP 401"));
    fake.edit::<AIInsight>("shop", "web-insight", |i| i["spec"]["attempt"] = json!(2));
    let second = answered(2).await;
    let status = second.status.clone().unwrap();
    assert_eq!(status.fallback_reason, None);
    let total = status.usage.unwrap();
    assert_eq!((total.input_tokens, total.output_tokens, total.calls), (2000, 200, 4));
    let asked = super::ask::question(&second, &fake.get::<Issue>("shop", "web").unwrap(), 3).spent;
    assert_eq!((asked.input_tokens, asked.calls, asked.cost_usd > 0.49), (2000, 4, true));
}

#[tokio::test]
async fn an_answer_that_meets_a_newer_object_is_not_paid_for_twice() {
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let analyst = Analyst::rollback();
    fake.fail("patch", "/status", 409, 2);
    once(&fake, &analyst).await.unwrap();
    assert_eq!((analyst.asked.lock().unwrap().len(), condition(&fake).0.as_str()), (1, "True"));
    // Another attempt is wanted by the time that the answer to the first one is there.
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let old = fake.get::<AIInsight>("shop", "web-insight").unwrap();
    fake.edit::<AIInsight>("shop", "web-insight", |i| i["spec"]["attempt"] = json!(2));
    controller(&fake, &analyst).reconcile(Arc::new(old)).await.unwrap();
    assert_eq!(fake.get::<AIInsight>("shop", "web-insight").unwrap().status, None);
}

#[tokio::test]
async fn a_server_that_is_away_is_written_once_and_tried_again_later() {
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let analyst = Analyst::rollback();
    *analyst.away.lock().unwrap() = 5;
    for _ in 0..5 {
        let error = once(&fake, &analyst).await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (Class::Transient, "NoAnswer"));
    }
    assert_eq!(condition(&fake), ("False".into(), "ServerUnavailable".into()));
    let writes = fake.writes().into_iter().filter(|w| w.path.ends_with("/status")).count();
    assert_eq!(writes, 1, "the same trouble is written once");
    once(&fake, &analyst).await.unwrap();
    assert_eq!(condition(&fake), ("True".into(), "Answered".into()));
}

#[tokio::test]
async fn an_issue_that_is_missing_or_over_is_not_analysed() {
    let analyst = Analyst::rollback();
    let fake = FakeApi::new().with(insight(1));
    assert_eq!(once(&fake, &analyst).await.unwrap(), Next::OnChange);
    assert_eq!(condition(&fake), ("False".into(), "IssueNotFound".into()));
    let mut over = issue();
    over.status.as_mut().unwrap().state = Some(IssueState::Resolved);
    fake.put(over);
    once(&fake, &analyst).await.unwrap();
    assert_eq!(condition(&fake), ("False".into(), "IssueOver".into()));
    assert!(analyst.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_an_error_that_is_tried_again_or_changes_nothing() {
    for fault in Fault::ALL {
        let fake = FakeApi::new().with(issue()).with(insight(1));
        fault.inject(&fake, "");
        let analyst = Analyst::rollback();
        let mut rounds = 0;
        while !fake.get::<AIInsight>("shop", "web-insight").is_some_and(|i| analyzed(&i)) {
            rounds += 1;
            assert!(rounds < 6, "{fault:?}");
            // As the driver does it: a deadline, and another try.
            let _ = tokio::time::timeout(Duration::from_mins(2), once(&fake, &analyst)).await;
        }
        assert_eq!(condition(&fake).0, "True", "{fault:?}");
    }
}

/// Asks nobody real: the addresses answer nothing.
#[tokio::test]
async fn servers_that_do_not_answer_are_all_named_and_without_any_the_flag_is() {
    let link = |port: u16| ServerLink::new(Settings::new(&format!("http://127.0.0.1:{port}"))).unwrap();
    let servers = crate::Servers::new(vec![link(1), link(2)]);
    let question = ask::question(&insight(1), &issue(), 1);
    let refusal = servers.ask(&question).await.unwrap_err();
    assert_eq!(refusal.reason, "ServerUnavailable");
    assert!(refusal.message.contains("127.0.0.1:1") && refusal.message.contains("127.0.0.1:2"), "{}", refusal.message);
    let refusal = crate::Servers::new(vec![]).ask(&question).await.unwrap_err();
    assert_eq!(refusal.reason, ask::NO_SERVER);
    assert!(refusal.message.contains("no ready Instance found") && refusal.message.contains("--server URL"));
}

#[tokio::test]
async fn whoever_waits_hears_when_a_server_comes_back() {
    let link = ServerLink::new(Settings::new("http://127.0.0.1:1")).unwrap();
    let servers = crate::Servers::new(vec![link]);
    let heard = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = heard.clone();
    servers.when_reached(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    assert_eq!(servers.away(), [("127.0.0.1:1".to_owned(), "not connected yet".to_owned())]);
    let told: Alert = alert(None, Timestamp::UNIX_EPOCH);
    for event in [LinkEvent::Begin, LinkEvent::Alert(Box::new(told)), LinkEvent::Synced, LinkEvent::Synced] {
        servers.heard(0, &event);
    }
    assert!(servers.away().is_empty());
    servers.heard(0, &LinkEvent::Disconnected { why: "gone".into() });
    servers.heard(0, &LinkEvent::Synced);
    assert_eq!(heard.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_text_that_no_object_can_hold_is_cut() {
    let fake = FakeApi::new().with(issue()).with(insight(1));
    let object = fake.get::<AIInsight>("shop", "web-insight").unwrap();
    let analysis = Analysis {
        text: "ç".repeat(40_000),
        confidence: 0.5,
        recommendations: vec![],
        actions: vec![],
        root_cause: None,
        log_analysis: None,
        answered_by: "TEST".into(),
        ..Analysis::default()
    };
    controller(&fake, &Analyst::default()).answer(&object, &analysis, 1).await.unwrap();
    let text = fake.get::<AIInsight>("shop", "web-insight").unwrap().status.unwrap().analysis.unwrap();
    assert_eq!(text.len(), 32 << 10);
}
