use super::*;

const SETUP: &str = "# the healthy state\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${NS}\n  labels: {scenario: '${NS}'}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: '${NS}'}\nspec:\n  containers:\n  - name: main\n    command: [sh, -c, 'echo ${HOME}']\n";

fn positive() -> Value {
    serde_json::json!({
        "id": "one", "fault": "A fault.", "tier": "T1", "negative": false,
        "root": {"kind": "Deployment|Pod", "name": "web(-[a-z0-9]+)?|${NS}-a"}, "field": "image",
        "cause_regex": ["does not exist"], "symptom_objects": ["Pod/web"], "settle_seconds": 10, "fix": "Mend it.",
    })
}

fn case(expect: &Value, setup: &str) -> Case {
    Case { id: "one".into(), expect: expect.to_string(), setup: setup.into(), fault: "echo ${NS} ${HOME}".into() }
}

fn refusal(expect: &Value, setup: &str) -> String {
    let refused = case(expect, setup).under("k3x").err().expect("a refusal");
    format!("{refused:#}")
}

#[test]
fn the_name_of_the_run_goes_into_all_three_files_and_nothing_else_does() {
    let run = case(&positive(), SETUP).under("k3x").unwrap();
    assert_eq!(run.fault, "echo k3x ${HOME}");
    assert!(run.scene.setup.contains("name: k3x\n") && run.scene.setup.contains("echo ${HOME}"));
    let (kind, name) = run.expect.root.as_ref().unwrap();
    assert!(kind.is("pod") && name.is("k3x-a") && name.is("web-7d9") && !name.is("a-web"));
    assert_eq!((run.expect.issues_max, run.scene.documents.len()), (1, 2));
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for (field, value, says) in [
        ("id", serde_json::json!("two"), "the folder's name is the id"),
        ("root", Value::Null, "root is missing"),
        ("field", Value::Null, "field is missing"),
        ("cause_regex", serde_json::json!([]), "cause_regex is empty"),
        ("cause_regex", serde_json::json!(["("]), "cause_regex: the expression"),
        ("symptom_objects", serde_json::json!([]), "symptom_objects is empty"),
        ("settle_seconds", serde_json::json!(-1), "0 to 600"),
        ("issues_max", serde_json::json!(0), "issues_max is 0"),
        ("negative", serde_json::json!(true), "nothing is at fault"),
        ("tier", Value::Null, "expect.json"),
    ] {
        let mut expect = positive();
        expect[field] = value;
        let refused = refusal(&expect, SETUP);
        assert!(refused.contains(says), "{field}: {refused}");
    }
}

#[test]
fn a_field_that_nobody_knows_is_remembered() {
    let mut expect = positive();
    expect["issue_max"] = serde_json::json!(4);
    assert_eq!(case(&expect, SETUP).under("k3x").unwrap().expect.unknown, ["issue_max"]);
}
