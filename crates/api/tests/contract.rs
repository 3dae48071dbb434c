//! The definitions against the contract: whoever has manifests or clients for the older operator can keep them.
//!
//! `contract.json` holds what those definitions say: names, printer columns, and per field its type, format, default, values
//! and whether it is required. Ours may have more fields and more values, and may require less.

// Tests may panic.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

fn definitions() -> BTreeMap<String, Value> {
    api::crds::manifests()
        .expect("definitions")
        .into_iter()
        .map(|(_, text)| {
            let crd: Value = serde_saphyr::from_str(&text).expect("YAML");
            (crd["spec"]["names"]["kind"].as_str().expect("kind").to_owned(), crd)
        })
        .collect()
}

fn contract() -> Map<String, Value> {
    serde_json::from_str(include_str!("contract.json")).expect("contract")
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The schema at a path such as `spec.rules[].match{}`, and the schema of the object that has it.
fn at<'a>(root: &'a Value, path: &str) -> Option<(&'a Value, &'a Value, String)> {
    let (mut parent, mut here, mut name) = (root, root, String::new());
    for part in path.split('.') {
        let plain = part.trim_end_matches(['[', ']', '{', '}']);
        parent = here;
        here = here.get("properties")?.get(plain)?;
        plain.clone_into(&mut name);
        let mut rest = &part[plain.len()..];
        while !rest.is_empty() {
            here = here.get(if rest.starts_with("[]") { "items" } else { "additionalProperties" })?;
            rest = &rest[2..];
        }
    }
    Some((parent, here, name))
}

fn type_of(schema: &Value) -> &str {
    if schema["x-kubernetes-int-or-string"] == json!(true) {
        return "int-or-string";
    }
    schema["type"].as_str().unwrap_or("none")
}

/// What is wrong with `ours`, given that it must serve wherever `theirs` does.
fn compare(theirs: &Value, ours: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if theirs["type"] != type_of(ours) {
        wrong.push(format!("type {} became {}", theirs["type"], type_of(ours)));
    }
    if let Some(format) = theirs.get("format")
        && ours.get("format") != Some(format)
    {
        wrong.push(format!("format {format} became {}", ours["format"]));
    }
    if let Some(default) = theirs.get("default")
        && ours.get("default") != Some(default)
    {
        wrong.push(format!("default {default} became {}", ours["default"]));
    }
    if let Some(values) = ours.get("enum").and_then(Value::as_array) {
        match theirs.get("enum").and_then(Value::as_array) {
            None => wrong.push("any text became a list of values".to_owned()),
            Some(old) => wrong.extend(old.iter().filter(|v| !values.contains(v)).map(|v| format!("{v} is no value"))),
        }
    } else if theirs.get("enum").is_some() {
        wrong.push("the list of values is gone".to_owned());
    }
    for key in ["x-kubernetes-map-type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"] {
        if let Some(value) = theirs.get(key)
            && ours.get(key) != Some(value)
        {
            wrong.push(format!("{key} {value} became {}", ours[key]));
        }
    }
    for (key, inner) in [("items", "items"), ("values", "additionalProperties")] {
        if let Some(items) = theirs.get(key) {
            wrong.extend(compare(items, &ours[inner]).into_iter().map(|text| format!("{key}: {text}")));
        }
    }
    wrong
}

/// Free text in the contract, and one of a list here: an action that nobody can carry out is no step.
const NARROWED: [&str; 1] = ["Runbook spec.steps[].action"];

#[test]
fn every_field_of_the_contract_is_there_with_its_type_default_and_values() {
    let definitions = definitions();
    let (mut fields, mut wrong) = (0, Vec::new());
    for (kind, theirs) in contract() {
        let root = schema(&definitions[&kind]);
        for (path, field) in theirs["fields"].as_object().expect("fields") {
            fields += 1;
            let Some((parent, ours, name)) = at(root, path) else {
                wrong.push(format!("{kind} {path} is missing"));
                continue;
            };
            if !NARROWED.contains(&format!("{kind} {path}").as_str()) {
                wrong.extend(compare(field, ours).into_iter().map(|text| format!("{kind} {path}: {text}")));
            }
            let required = parent["required"].as_array().is_some_and(|list| list.iter().any(|r| *r == json!(name)));
            if required && field["required"] != json!(true) {
                wrong.push(format!("{kind} {path} is required now"));
            }
        }
        // A field that the contract does not have cannot be required where the contract knows the object.
        let known = |path: &str| theirs["fields"].get(path).is_some();
        require_nothing_new(root, "", &known, &mut |path| wrong.push(format!("{kind} {path} is new and required")));
    }
    println!("{fields} fields of the contract");
    assert_eq!(fields, 694);
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn require_nothing_new(schema: &Value, path: &str, known: &dyn Fn(&str) -> bool, tell: &mut dyn FnMut(&str)) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, field) in properties {
            let child = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let required = schema["required"].as_array().is_some_and(|list| list.contains(&json!(name)));
            if required && !path.is_empty() && !known(&child) && known(path.trim_end_matches(['[', ']', '{', '}'])) {
                tell(&child);
            }
            require_nothing_new(field, &child, known, tell);
        }
    }
    if schema["items"].is_object() {
        require_nothing_new(&schema["items"], &format!("{path}[]"), known, tell);
    }
    if schema["additionalProperties"].is_object() {
        require_nothing_new(&schema["additionalProperties"], &format!("{path}{{}}"), known, tell);
    }
}

#[test]
fn names_scope_and_subresources_are_those_of_the_contract() {
    let definitions = definitions();
    assert_eq!(definitions.len(), 17);
    assert_eq!(contract().len(), 17);
    for (kind, theirs) in contract() {
        let crd = &definitions[&kind];
        let (names, theirs) = (&crd["spec"]["names"], &theirs["names"]);
        let version = &crd["spec"]["versions"][0];
        assert_eq!(crd["spec"]["group"], "platform.chatcli.io", "{kind}");
        assert_eq!(crd["metadata"]["name"], format!("{}.platform.chatcli.io", theirs["plural"].as_str().unwrap()));
        assert_eq!((&names["plural"], &names["singular"]), (&theirs["plural"], &theirs["singular"]), "{kind}");
        assert_eq!(crd["spec"]["scope"], theirs["scope"], "{kind}");
        assert_eq!(crd["spec"]["versions"].as_array().map(Vec::len), Some(1), "{kind}");
        assert_eq!(
            (&version["name"], &version["served"], &version["storage"]),
            (&json!("v1alpha1"), &json!(true), &json!(true)),
            "{kind}"
        );
        assert_eq!(version["subresources"]["status"].is_object(), theirs["status"] == json!(true), "{kind}");
        for short in theirs["shortNames"].as_array().expect("short names") {
            assert!(names["shortNames"].as_array().is_some_and(|list| list.contains(short)), "{kind} {short}");
        }
        assert_eq!(names["categories"], json!(["chatcli"]), "{kind}");
    }
}

/// Columns that showed something else than they said, or nothing at all, with what they show now.
const CORRECTED: [(&str, &str, &str); 3] = [
    ("EscalationPolicy", "Levels", ".status.levelCount"),
    ("NotificationPolicy", "Channels", ".status.channelCount"),
    ("ServiceLevelObjective", "BudgetRemaining%", ".status.errorBudgetRemainingPercentage"),
];

#[test]
fn printer_columns_show_what_they_say() {
    let definitions = definitions();
    for (kind, theirs) in contract() {
        let crd = &definitions[&kind];
        let ours = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().expect("columns");
        for column in theirs["columns"].as_array().expect("columns") {
            let (name, path) = (column[0].as_str().unwrap(), column[2].as_str().unwrap());
            let found = ours.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{kind} has no {name}"));
            let path = CORRECTED.iter().find(|(k, n, _)| *k == kind && *n == name).map_or(path, |(.., p)| *p);
            assert_eq!((&found["type"], found["jsonPath"].as_str()), (&column[1], Some(path)), "{kind} {name}");
        }
        for column in ours {
            let path = column["jsonPath"].as_str().unwrap().trim_start_matches('.').replace("[0]", "[]");
            if path == "metadata.creationTimestamp" {
                continue;
            }
            let (_, field, _) = at(schema(crd), &path).unwrap_or_else(|| panic!("{kind}: no field {path}"));
            assert_eq!(&column["type"], &field["type"], "{kind} {path}: a column of another type stays empty");
        }
    }
}

#[test]
fn conditions_merge_by_type_and_no_spec_can_be_left_out() {
    for (kind, crd) in definitions() {
        let root = schema(&crd);
        assert_eq!(root["required"], json!(["spec"]), "{kind}");
        let status = &root["properties"]["status"];
        if status.is_object() {
            let conditions = &status["properties"]["conditions"];
            assert_eq!(conditions["x-kubernetes-list-type"], "map", "{kind}");
            assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]), "{kind}");
        }
    }
}

/// Words of a description that explain nothing, or speak of another program.
const EMPTY_WORDS: [&str; 10] = [
    "auto-generated derived type",
    "unused",
    "free text",
    "never set",
    "never assigned",
    "never fills",
    "nothing fills",
    "constant ",
    "desired state of",
    "observed state of",
];

#[test]
fn kubectl_explain_says_something_about_every_field() {
    let (mut fields, mut wrong) = (0, Vec::new());
    for (kind, crd) in definitions() {
        let root = schema(&crd);
        explained(root, &kind, &mut fields, &mut wrong);
    }
    println!("{fields} fields explained");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

fn explained(schema: &Value, path: &str, fields: &mut usize, wrong: &mut Vec<String>) {
    *fields += 1;
    let text = schema["description"].as_str().unwrap_or_default().trim();
    let small = text.to_lowercase();
    let sentence = text.ends_with(['.', '?']) && text.chars().next().is_some_and(|c| c.is_uppercase() || c == '`');
    if text.len() < 9 || !sentence || EMPTY_WORDS.iter().any(|word| small.contains(word)) {
        wrong.push(format!("{path}: {text:?}"));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        explained(field, &format!("{path}.{name}"), fields, wrong);
    }
    for inner in ["items", "additionalProperties"] {
        for (name, field) in schema[inner]["properties"].as_object().into_iter().flatten() {
            explained(field, &format!("{path}[].{name}"), fields, wrong);
        }
        // Lists of lists, maps of lists and the like have no name of their own; what is in them does.
        for deeper in ["items", "additionalProperties"] {
            for (name, field) in schema[inner][deeper]["properties"].as_object().into_iter().flatten() {
                explained(field, &format!("{path}[][].{name}"), fields, wrong);
            }
        }
    }
}
