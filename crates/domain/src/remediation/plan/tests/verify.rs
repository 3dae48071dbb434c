use api::Anomaly;
use api::anomaly::AnomalyState;

use super::*;
use crate::remediation::verification::{Health, Signals, Verdict, begin, health, judge, signals};

const STABLE: SignedDuration = SignedDuration::from_secs(30);

fn rolled_out() -> Value {
    let mut d = deployment();
    d["metadata"]["generation"] = json!(4);
    d["status"] = json!({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    d
}

#[test]
fn a_rollout_is_complete_or_says_what_is_missing() {
    let of = |change: &dyn Fn(&mut Value)| {
        let mut d = rolled_out();
        change(&mut d);
        health(Some(&d), Some("u1"))
    };
    assert_eq!(of(&|_| {}), Health::default());
    assert_eq!(of(&|d| d["status"]["observedGeneration"] = json!(3)).pending, ["generation 4 is not observed yet"]);
    assert_eq!(of(&|d| d["status"]["readyReplicas"] = json!(1)).pending, ["1 of 2 replicas are ready"]);
    assert_eq!(of(&|d| d["status"]["replicas"] = json!(3)).pending, ["1 old replicas are left"]);
    assert_eq!(of(&|d| d["status"] = json!({"observedGeneration": 4})).pending.len(), 3);
    let zero = of(&|d| {
        d["spec"]["replicas"] = json!(0);
        d["status"] = json!({"observedGeneration": 4});
    });
    assert_eq!(zero, Health::default());
    let stuck = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    assert_eq!(of(&|d| d["status"]["conditions"] = stuck.clone()).hopeless, None, "it is complete all the same");
    let hopeless = of(&|d| {
        d["status"]["conditions"] = stuck.clone();
        d["status"]["updatedReplicas"] = json!(1);
    });
    assert!(hopeless.hopeless.unwrap().contains("progress deadline"));
    assert!(health(None, Some("u1")).hopeless.is_some());
    assert!(health(Some(&rolled_out()), Some("u2")).hopeless.is_some());
    assert!(health(Some(&json!({})), None).hopeless.is_none());
}

#[test]
fn the_deadline_follows_the_deployment_and_is_absolute() {
    let of = |seconds: Value| {
        let mut d = rolled_out();
        d["spec"]["progressDeadlineSeconds"] = seconds;
        begin(Some(&d), STABLE, at(0)).deadline.0
    };
    assert_eq!(of(Value::Null), at(630));
    assert_eq!(of(json!(300)), at(330));
    assert_eq!(of(json!(10)), at(150), "two minutes at least");
    assert_eq!(of(json!(-5)), at(150));
    assert_eq!(of(json!(i64::MAX)), at(86_400 + 30));
    assert_eq!(begin(None, STABLE, at(0)).deadline.0, at(630));
}

fn clear() -> Signals {
    Signals { cleared: 1, ..Signals::default() }
}

#[test]
fn it_helped_when_all_holds_for_the_window() {
    let begun = begin(Some(&rolled_out()), STABLE, at(0));
    let Verdict::Watch { verification, next_check } = judge(&begun, &Health::default(), &clear(), STABLE, at(10))
    else {
        panic!("not yet")
    };
    assert_eq!((verification.healthy_since.as_ref().unwrap().0, next_check), (at(10), at(40)));
    assert!(matches!(judge(&verification, &Health::default(), &clear(), STABLE, at(39)), Verdict::Watch { .. }));
    assert_eq!(judge(&verification, &Health::default(), &clear(), STABLE, at(40)), Verdict::Helped);
    // The signal comes back: the window begins anew.
    let firing = Signals { firing: vec!["oom on Deployment web".into()], ..clear() };
    let Verdict::Watch { verification: again, next_check } =
        judge(&verification, &Health::default(), &firing, STABLE, at(39))
    else {
        panic!("not yet")
    };
    assert_eq!((again.healthy_since.clone(), next_check), (None, at(630)));
    assert_eq!(again.pending, ["signal is still there: oom on Deployment web"]);
    assert!(
        matches!(judge(&again, &Health::default(), &clear(), STABLE, at(45)), Verdict::Watch { next_check, .. } if next_check == at(75))
    );
    // A part of a second is not lost between status and clock.
    let half = Timestamp::from_millisecond(at(10).as_millisecond() + 700).unwrap();
    let Verdict::Watch { verification, .. } = judge(&begun, &Health::default(), &clear(), STABLE, half) else {
        panic!("not yet")
    };
    assert_eq!(verification.healthy_since.unwrap().0, at(10));
}

#[test]
fn it_did_not_help() {
    let begun = begin(Some(&rolled_out()), STABLE, at(0));
    let failed = |health: &Health, signals: &Signals, second| match judge(&begun, health, signals, STABLE, at(second)) {
        Verdict::Failed { why, .. } => Some(why),
        _ => None,
    };
    let waiting = Health { pending: vec!["1 of 2 replicas are ready".into()], hopeless: None };
    assert_eq!(failed(&waiting, &clear(), 629), None);
    assert!(failed(&waiting, &clear(), 630).unwrap().contains("1 of 2 replicas are ready"));
    let firing = Signals { firing: vec!["x".into()], ..clear() };
    assert!(failed(&Health::default(), &firing, 630).unwrap().contains("signal is still there: x"));
    let worse = Signals { new: vec!["y".into()], ..clear() };
    assert_eq!(failed(&Health::default(), &worse, 100), None);
    assert!(failed(&Health::default(), &worse, 630).unwrap().contains("new signal: y"));
    let hopeless = Health { pending: vec![], hopeless: Some("gone".into()) };
    assert_eq!(failed(&hopeless, &clear(), 1).as_deref(), Some("gone"));
    // Healthy at the deadline, and not yet for long: it gets the rest of its window.
    assert_eq!(failed(&Health::default(), &clear(), 631), None);
}

fn anomaly(name: &str, state: Option<AnomalyState>, first: i64, resource: &ResourceRef) -> Anomaly {
    let mut anomaly: Anomaly = serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Anomaly",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"resource": resource, "signalType": "oom_kill", "source": "watcher", "threshold": "", "value": "", "firstSeen": at(first).to_string()},
    }))
    .unwrap();
    anomaly.status = state.map(|s| serde_json::from_value(json!({"correlated": true, "state": s})).unwrap());
    anomaly
}

#[test]
fn signals_are_those_of_the_issue_and_new_ones_of_the_workload() {
    use AnomalyState::{Firing, Resolved};
    let mut issue = issue();
    issue.status = Some(
        serde_json::from_value(
            json!({"maxRemediationAttempts": 3, "remediationAttempts": 0, "anomalies": ["a", "b", "c"]}),
        )
        .unwrap(),
    );
    let other = ResourceRef { name: "api".into(), ..web() };
    let all = [
        anomaly("a", Some(Firing), -100, &web()),
        anomaly("b", Some(Resolved), -100, &web()),
        anomaly("c", None, -100, &web()),
        anomaly("new", Some(Firing), 10, &web()),
        anomaly("old", Some(Firing), -50, &web()),
        anomaly("elsewhere", Some(Firing), 10, &other),
    ];
    let found = signals(&issue, &web(), Some(at(0)), &all);
    assert_eq!((found.firing.len(), found.cleared, found.new.len()), (1, 1, 1));
    assert!(!found.all_clear());
    assert_eq!(found.firing[0], "oom_kill on Deployment web");
    assert!(signals(&issue, &web(), None, &all[1..3]).all_clear());
    assert!(!signals(&issue, &web(), None, &all[2..3]).all_clear(), "no state says nothing");
    // A signal of the Issue on another workload counts, one of the same name in another namespace does not.
    let mut linked = anomaly("z", Some(Firing), 10, &other);
    linked.status.as_mut().unwrap().issue_ref = Some(IssueRef { name: "web-1".into() });
    assert_eq!(signals(&issue, &web(), None, [&linked]).firing.len(), 1);
    let mut foreign = anomaly("a", Some(Firing), -100, &web());
    foreign.metadata.namespace = Some("other".into());
    assert_eq!(signals(&issue, &web(), None, [&foreign]), Signals::default());
}

#[test]
fn what_alertmanager_has_not_told_yet_undoes_no_change_that_helped() {
    use AnomalyState::{Firing, Resolved};
    let mut issue = issue();
    issue.status = Some(
        serde_json::from_value(json!({"maxRemediationAttempts": 3, "remediationAttempts": 0, "anomalies": ["a", "b"]}))
            .unwrap(),
    );
    let reported = |told: i64| {
        let mut reported = anomaly("a", Some(Firing), -100, &web());
        reported.spec.source = api::shared::Source::Alertmanager;
        reported.status.as_mut().unwrap().last_seen = Some(Time(at(told)));
        reported
    };
    let own = anomaly("b", Some(Resolved), -100, &web());
    let late = signals(&issue, &web(), Some(at(0)), [&reported(-30), &own]);
    assert_eq!((late.firing.len(), late.unheard.len(), late.all_clear()), (0, 1, false));
    let begun = begin(Some(&rolled_out()), STABLE, at(0));
    let verdict = |signals: &Signals, second| judge(&begun, &Health::default(), signals, STABLE, at(second));
    assert!(matches!(verdict(&late, 630), Verdict::Watch { next_check, .. } if next_check == at(630 + 900)));
    assert!(matches!(verdict(&late, 630 + 900), Verdict::Failed { .. }));
    // It has said since that the fault is still there.
    let again = signals(&issue, &web(), Some(at(0)), [&reported(60), &own]);
    assert_eq!((again.firing.len(), again.unheard.len()), (1, 0));
    assert!(matches!(verdict(&again, 630), Verdict::Failed { .. }));
}
