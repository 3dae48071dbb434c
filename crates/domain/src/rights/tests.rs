use super::*;
use crate::instance::{node_rights, watcher_rights};

fn allows(rules: &[Rule], right: &Right) -> bool {
    right.verbs.iter().all(|verb| {
        rules.iter().any(|rule| {
            rule.group == right.group && rule.resources.contains(&right.resource) && rule.verbs.contains(verb)
        })
    })
}

#[test]
fn every_right_of_every_part_is_in_the_rules_and_nothing_stands_for_all() {
    let parts = operator();
    let rules = rules(&parts);
    for part in &parts {
        for right in &part.rights {
            assert!(allows(&rules, right), "{}: {right:?}", part.name);
        }
    }
    for rule in &rules {
        assert!(!rule.resources.contains(&"*") && !rule.verbs.contains(&"*") && rule.group != "*", "{rule:?}");
        for verb in ["bind", "escalate", "impersonate", "deletecollection"] {
            assert!(!rule.verbs.contains(&verb), "{rule:?}");
        }
    }
}

#[test]
fn the_operator_holds_what_it_gives_to_instances() {
    let rules = rules(&operator());
    let given = [watcher_rights(), node_rights()].concat();
    assert!(given.iter().all(|right| allows(&rules, right)));
    assert!(!given.iter().any(|right| right.resource == "secrets"), "no Instance reads Secrets through the API");
}

#[test]
fn resources_with_the_same_verbs_for_the_same_parts_share_a_rule() {
    let look: &[&str] = &["list", "get"];
    let right = |group, resource, verbs| Right { group, resource, verbs };
    let parts = [
        Part { name: "a", rights: vec![right("", "pods", look), right("", "services", look)] },
        Part { name: "b", rights: vec![right("", "pods", &["delete"]), right("apps", "deployments", look)] },
    ];
    let rules = rules(&parts);
    let said: Vec<_> = rules.iter().map(|r| (r.group, r.resources.clone(), r.verbs.clone(), r.parts.clone())).collect();
    assert_eq!(
        said,
        [
            ("", vec!["pods"], vec!["delete", "get", "list"], vec!["a", "b"]),
            ("", vec!["services"], vec!["get", "list"], vec!["a"]),
            ("apps", vec!["deployments"], vec!["get", "list"], vec!["b"]),
        ]
    );
}
