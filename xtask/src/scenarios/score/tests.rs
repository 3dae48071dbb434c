use serde_json::json;

use super::super::case::Case;
use super::*;

fn expect(change: impl FnOnce(&mut serde_json::Value)) -> Expect {
    let mut text = json!({
        "id": "one", "fault": "A fault.", "tier": "T3", "root": {"kind": "Deployment", "name": "web"},
        "field": "image", "cause_regex": ["does not exist", "no such tag"], "settle_seconds": 5,
        "symptom_objects": ["Deployment/web", "Pod/web-[a-z0-9]+"],
    });
    change(&mut text);
    let folder = std::env::temp_dir().join(format!("scenario-score-{}-{:p}/one", std::process::id(), &raw const text));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("expect.json"), text.to_string()).unwrap();
    std::fs::write(folder.join("setup.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: '${NS}'}\n").unwrap();
    std::fs::write(folder.join("fault.sh"), "true").unwrap();
    let run = Case::read(&folder).unwrap().under("k3x").unwrap();
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    run.expect
}

fn object(kind: &str, name: &str) -> Object {
    Object::new(kind, "k3x", name)
}

fn cause(kind: &str, name: &str, path: &str, statement: &str) -> Cause {
    Cause {
        object: object(kind, name),
        path: (!path.is_empty()).then(|| path.to_owned()),
        value: None,
        statement: statement.into(),
        class: "Unknown".to_owned(),
        confidence: 0.9,
        after: 2.0,
    }
}

fn issue(uid: &str, after: f64, objects: &[Object], causes: &[Cause]) -> Said {
    Said {
        uid: uid.into(),
        issue: format!("k3x/{uid}"),
        signal: "image_pull".into(),
        description: "it does not start".into(),
        after,
        objects: objects.to_vec(),
        analyzed: true,
        causes: causes.to_vec(),
    }
}

fn good() -> Said {
    let right = cause("Deployment", "web", "spec.template.spec.containers[0].image", "The tag 2 does not exist.");
    issue("a", 1.2, &[object("Deployment", "web")], &[right])
}

fn scored(expect: &Expect, said: &[Said]) -> Score {
    score(expect, &Before::default(), said, Some(0.4))
}

#[test]
fn all_right() {
    let score = scored(&expect(|_| ()), &[good()]);
    assert!(score.noticed && score.cause && score.exact && score.one_issue && score.is_right());
    assert!((score.delay.unwrap() - 1.2).abs() < 1e-9 && (score.from_symptom.unwrap() - 0.8).abs() < 1e-9);
    assert_eq!(score.length, Some(25));
}

#[test]
fn a_symptom_object_is_enough_to_be_noticed_and_another_object_is_not() {
    let affected = issue("a", 1.0, &[object("Service", "x"), object("Pod", "web-1")], &[]);
    assert!(scored(&expect(|_| ()), &[affected]).noticed);
    let other = issue("a", 1.0, &[object("Pod", "web-1-more")], &[]);
    let score = scored(&expect(|_| ()), &[other]);
    assert!(!score.noticed && score.delay.is_none() && score.one_issue);
}

#[test]
fn the_cause_is_object_and_statement_of_the_same_analysis() {
    let mut said = good();
    said.causes = vec![
        cause("Pod", "web-1", "", "The image does not exist."),
        cause("Deployment", "web", "spec.image", "Something is wrong."),
    ];
    let score = scored(&expect(|_| ()), &[said]);
    assert!(!score.cause && !score.exact, "neither of the two is right by itself");
    assert_eq!(score.misses, ["Pod/web-1 is not the root"]);
}

#[test]
fn the_field_may_be_in_the_statement_of_the_right_cause_and_of_no_other() {
    let mut said = good();
    said.causes = vec![cause("Deployment", "web", "", "The image x:2 does not exist.")];
    assert!(scored(&expect(|_| ()), &[said.clone()]).exact);
    said.causes = vec![
        cause("Deployment", "web", "", "The tag 2 does not exist."),
        cause("Pod", "web-1", "spec.image", "The image does not exist."),
    ];
    let score = scored(&expect(|_| ()), &[said]);
    assert!(score.cause && !score.exact);
    assert_eq!(score.misses, ["neither path nor statement names the field"]);
}

#[test]
fn too_many_issues_are_counted_even_when_one_is_right() {
    let other = issue("b", 3.0, &[object("Service", "web")], &[]);
    let score = scored(&expect(|_| ()), &[good(), other.clone()]);
    assert!(score.exact && !score.one_issue && score.issues == 2);
    assert_eq!(score.misses, ["2 Issues, where at most 1 is right"]);
    assert!(scored(&expect(|text| text["issues_max"] = json!(2)), &[good(), other]).is_right());
}

#[test]
fn what_was_there_before_the_fault_is_left_out() {
    let old = good();
    let before = Before::of(std::slice::from_ref(&old));
    let score = |said: &[Said]| super::score(&expect(|_| ()), &before, said, None);
    assert_eq!(score(std::slice::from_ref(&old)).issues, 0, "the same Issue");
    assert_eq!(score(&[Said { uid: "b".into(), ..old.clone() }]).issues, 0, "another Issue about the same object");
    let more = Said { uid: "b".into(), objects: vec![object("Deployment", "web"), object("Pod", "web-1")], ..old };
    let score = score(&[more]);
    assert!(score.noticed && score.issues == 1 && !score.cause, "a new object, and the old cause");
}

#[test]
fn old_trouble_is_no_news() {
    let expect = expect(|text| text["old_trouble"] = json!(["Deployment/crowd"]));
    let crowd = issue("b", 1.0, &[object("Deployment", "crowd")], &[]);
    assert!(scored(&expect, &[crowd, good()]).is_right());
}

#[test]
fn an_issue_where_nothing_is_wrong_is_a_false_alarm() {
    let calm = expect(|text| {
        text["negative"] = json!(true);
        text["root"] = json!(null);
        text["field"] = json!(null);
    });
    assert!(scored(&calm, &[]).is_right());
    assert!(scored(&calm, &[good()]).false_alarm);
}

#[test]
fn what_is_missing_is_said() {
    let expect = expect(|_| ());
    assert_eq!(scored(&expect, &[]).misses, ["there is no Issue"]);
    let silent = Said { analyzed: false, causes: Vec::new(), ..good() };
    assert_eq!(scored(&expect, &[silent]).misses, ["no Issue has an analysis"]);
    let vague = Said { causes: Vec::new(), ..good() };
    assert_eq!(scored(&expect, &[vague]).misses, ["the analysis names no cause"]);
    let mut wrong = good();
    wrong.causes = vec![cause("Deployment", "web", "", "It is broken.")];
    assert_eq!(scored(&expect, &[wrong]).misses, ["the statement does not say what is wrong"]);
}

#[test]
fn an_issue_that_was_faster_than_the_end_of_the_script_has_no_negative_delay() {
    let mut said = good();
    said.after = -0.3;
    assert_eq!(scored(&expect(|_| ()), &[said]).delay, Some(0.0));
}
