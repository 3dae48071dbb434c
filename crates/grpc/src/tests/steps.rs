//! An operator that works step by step: the actions, the pause after each, the end, and what is too much.

use std::collections::HashMap;

use proto::v1;
use tonic::Code;

use super::fake::*;

fn request(history: Vec<v1::AgenticHistoryEntry>) -> v1::AgenticStepRequest {
    v1::AgenticStepRequest {
        issue_name: "web-down".into(),
        namespace: "shop".into(),
        resource_kind: "Deployment".into(),
        resource_name: "web".into(),
        signal_type: "deploy_failing".into(),
        severity: "high".into(),
        description: "1 of 2 replicas is ready".into(),
        max_steps: 10,
        current_step: i32::try_from(history.len()).unwrap() + 1,
        history,
        insight_analysis: "The image does not exist.\n\nProof: …".into(),
        insight_recommendations: vec!["Push images before they are named.".into()],
        insight_suggested_actions: vec![v1::SuggestedAction {
            action: "RestartDeployment".into(),
            ..v1::SuggestedAction::default()
        }],
        ..v1::AgenticStepRequest::default()
    }
}

fn entry(number: i32, action: &str, params: &[(&str, &str)], observation: &str) -> v1::AgenticHistoryEntry {
    v1::AgenticHistoryEntry {
        step_number: number,
        ai_message: "because".into(),
        action: action.into(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        observation: observation.into(),
    }
}

#[tokio::test]
async fn an_incident_is_walked_through_to_its_end() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    let mut history = vec![entry(1, "RestartDeployment", &[], "SUCCESS: RestartDeployment executed")];

    let pause = client.agentic_step(request(history.clone())).await.unwrap().into_inner();
    assert!(!pause.resolved && pause.next_action.is_none() && pause.reasoning.contains("step 1"), "{pause:?}");
    history.push(entry(2, "Observe", &[], "1 of 2 ready"));

    let step = client.agentic_step(request(history.clone())).await.unwrap().into_inner();
    let action = step.next_action.clone().unwrap();
    assert_eq!((action.action.as_str(), action.params["toRevision"].as_str()), ("RollbackDeployment", "1"));
    assert!(step.diverges_from_insight && step.divergence_reason.contains("RestartDeployment was done"), "{step:?}");
    assert_eq!(step.reasoning, diagnosis().analysis);
    let asked = eyes.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.failed.len(), 1, "what was done is not proposed again");
    assert!(
        asked.ask.previous_failures.contains("Step 2: looked only: 1 of 2 ready"),
        "{}",
        asked.ask.previous_failures
    );

    history.push(entry(3, "RollbackDeployment", &[("toRevision", "1")], "SUCCESS: rolled back"));
    *eyes.analysis.lock().unwrap() = Behaviour::SaysItIsOver;
    let end = client.agentic_step(request(history)).await.unwrap().into_inner();
    assert!(end.resolved && end.next_action.is_none());
    assert_eq!(
        end.postmortem_summary,
        "The incident of Deployment web ended after RestartDeployment, RollbackDeployment."
    );
    assert_eq!(
        (end.root_cause.as_str(), end.impact.as_str()),
        ("The image does not exist.", "1 of 2 replicas is ready")
    );
    assert_eq!(
        end.lessons_learned,
        ["RestartDeployment (step 1) did not end the incident: SUCCESS: RestartDeployment executed"]
    );
    assert_eq!(end.prevention_actions, ["Push images before they are named."]);
    server.stop().await;
}

#[tokio::test]
async fn what_is_missing_too_much_or_too_early_is_refused() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    let huge = entry(1, "DeletePod", &[("pod", &"x".repeat(17 << 10))], "");
    for (asked, field) in [
        (v1::AgenticStepRequest { issue_name: String::new(), ..request(vec![]) }, "issue_name"),
        (v1::AgenticStepRequest { resource_name: String::new(), ..request(vec![]) }, "resource_name"),
        (request((0..101).map(|n| entry(n, "", &[], "")).collect()), "history has 101 steps"),
        (request(vec![entry(1, "", &[], ""), huge]), "history[1]"),
        (v1::AgenticStepRequest { insight_analysis: "x".repeat(300 << 10), ..request(vec![]) }, "insight_analysis"),
    ] {
        let refused = client.agentic_step(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(field) && refused.message().contains("remedy"), "{refused}");
    }
    assert!(eyes.asked.lock().unwrap().is_empty());
    *eyes.pending.lock().unwrap() = Some("3 of 8 workloads were not looked at yet".into());
    let refused = client.agentic_step(request(vec![])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn odd_numbers_and_names_end_nothing() {
    let eyes = Fake::new([]);
    let server = Running::start(&eyes, Options::default()).await;
    let mut client = server.client();
    for (step, limit) in [(0, 0), (-5, -5), (i32::MAX, i32::MAX), (i32::MIN, i32::MAX)] {
        let history = vec![entry(i32::MAX, "NoSuchThing", &[], "FAILED: unsupported"), entry(-1, " OBSERVE ", &[], "")];
        let asked = v1::AgenticStepRequest { current_step: step, max_steps: limit, ..request(history) };
        let said = client.agentic_step(asked).await.unwrap().into_inner();
        assert_eq!(said.next_action.map(|a| a.params), Some(HashMap::from([("toRevision".into(), "1".into())])));
    }
    let late = v1::AgenticStepRequest { current_step: 11, ..request(vec![]) };
    let said = client.agentic_step(late).await.unwrap().into_inner();
    assert!(said.next_action.is_none() && said.reasoning.contains("10 steps"), "{said:?}");
    server.stop().await;
}
