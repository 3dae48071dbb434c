//! What each part of the operator must be allowed to do.
//!
//! What lives here: the rights of the controllers, and what all rights come to together; the chart's ClusterRole is
//! generated from that. What does not: the rights of an action, which stand in the registry of actions, and those for
//! Instances, which stand beside their objects.

mod controllers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::instance::operator_rights;
use crate::remediation::actions::{REGISTRY, Right, rights};

/// The rights of one part of the program.
#[derive(Clone, Debug)]
pub struct Part {
    /// The part, by its folder or its subject.
    pub name: &'static str,
    /// What it must be allowed to do.
    pub rights: Vec<Right>,
}

/// One rule of a role: every verb for every resource of a group, and who needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resources, plural.
    pub resources: Vec<&'static str>,
    /// Verbs.
    pub verbs: Vec<&'static str>,
    /// The parts that need it.
    pub parts: Vec<&'static str>,
}

/// What is needed of one resource, and by whom.
#[derive(Default)]
struct Need {
    verbs: BTreeSet<&'static str>,
    parts: Vec<&'static str>,
}

/// Everything that the operator must be allowed to do in the whole cluster.
pub fn operator() -> Vec<Part> {
    let mut parts = controllers::parts();
    parts.push(Part { name: "instance", rights: operator_rights() });
    let actions = REGISTRY.iter().flat_map(|action| rights(action.type_)).collect();
    parts.push(Part { name: "actions", rights: actions });
    parts
}

/// The fewest rules that say the same: one for all resources of a group that the same parts need for the same verbs.
pub fn rules(parts: &[Part]) -> Vec<Rule> {
    let mut needs: BTreeMap<(&str, &str), Need> = BTreeMap::new();
    for part in parts {
        for right in &part.rights {
            let need = needs.entry((right.group, right.resource)).or_default();
            need.verbs.extend(right.verbs);
            if !need.parts.contains(&part.name) {
                need.parts.push(part.name);
            }
        }
    }
    let mut rules: Vec<Rule> = Vec::new();
    for ((group, resource), Need { verbs, parts }) in needs {
        let verbs: Vec<&str> = verbs.into_iter().collect();
        match rules.iter_mut().find(|rule| rule.group == group && rule.verbs == verbs && rule.parts == parts) {
            Some(rule) => rule.resources.push(resource),
            None => rules.push(Rule { group, resources: vec![resource], verbs, parts }),
        }
    }
    rules
}
