//! Names in the objects of tools that lead nowhere.

use api::shared::{CauseClass, ObjectRef, RootCause, Severity, SignalType};

use super::super::shape::{proven, who};
use super::super::{fact, meant};
use super::object::{kind, name, text};
use super::{Finding, Graph, Standing, cause, finding};
use crate::graph::nearest;
use crate::graph::query::named;

/// A name in an object.
pub(super) struct Link<'a> {
    /// The object.
    pub(super) by: &'a ObjectRef,
    /// The field with the name.
    pub(super) path: String,
    /// Kind of what is meant.
    pub(super) kind: &'a str,
    /// Its name.
    pub(super) name: &'a str,
}

/// The objects of a kind that this namespace has; none where nobody can tell.
fn known<'a>(graph: &'a Graph, of: &str) -> Option<Vec<&'a str>> {
    if !graph.knows(of) {
        return None;
    }
    Some(match of {
        "Service" => graph.services.iter().filter_map(|service| service.metadata.name.as_deref()).collect(),
        "ConfigMap" => graph.config_maps.iter().map(|map| map.object.name.as_str()).collect(),
        "Secret" => graph.secrets.iter().map(|secret| secret.object.name.as_str()).collect(),
        "Deployment" | "StatefulSet" => {
            let of_kind = graph.workloads.iter().filter(|workload| workload.object.kind == of);
            of_kind.map(|workload| workload.object.name.as_str()).collect()
        }
        _ if crate::graph::OPTIONAL.iter().any(|optional| optional.kind == of) => {
            let here = |object: &&std::sync::Arc<serde_json::Value>| {
                kind(object) == of && text(object, "/metadata/namespace").is_none_or(|space| space == graph.namespace)
            };
            graph.others.iter().filter(here).map(|object| name(object)).collect()
        }
        _ => return None,
    })
}

/// A name that no object has.
pub(super) fn missing(graph: &Graph, link: &Link, signal: SignalType) -> Option<Finding> {
    let names = known(graph, link.kind)?;
    if names.contains(&link.name) {
        return None;
    }
    let near = nearest(link.name, names);
    let statement = format!(
        "{} refers in {} to {} {}, which does not exist{}",
        who(link.by),
        link.path,
        link.kind,
        link.name,
        meant(near)
    );
    let version = match link.kind {
        "Service" | "ConfigMap" | "Secret" => "v1".to_owned(),
        "Deployment" | "StatefulSet" => "apps/v1".to_owned(),
        other => {
            let group = crate::graph::OPTIONAL.iter().find(|optional| optional.kind == other);
            group.map(|optional| optional.group.to_owned()).unwrap_or_default()
        }
    };
    let absent = named(&version, link.kind, &graph.namespace, link.name);
    let cause = RootCause {
        class: CauseClass::MissingReference,
        ..proven(
            cause((link.by, &link.path), link.name, statement, 0.93),
            vec![
                fact(link.by, &link.path, link.name, "this object is meant"),
                fact(&absent, "metadata.name", "(absent)", "no object of this kind and name exists"),
            ],
        )
    };
    Some(Finding {
        words: vec![link.name.to_owned()],
        recommendations: vec![match near {
            Some(near) => format!("Set {} to {near}, or create {} {}.", link.path, link.kind, link.name),
            None => format!("Create {} {}, or name one that exists.", link.kind, link.name),
        }],
        hold: 30,
        ..finding(signal, (Standing::Outage, Severity::High), link.by, cause)
    })
}
