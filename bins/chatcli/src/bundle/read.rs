//! Reads what a bundle holds: kind by kind, page by page; what may not be read is noted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use api::AIInsight;
use domain::bundle::{
    Bundle, Certificate, FORMAT, Kind, Load, Named, Reach, VERSION, fit, kinds, namespaces, reduce, secret, slim_pod,
};
use domain::graph::OPTIONAL;
use domain::llm::Scrubber;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::Discovery;
use kube::{Api, Client};
use serde_json::Value;

use super::logs;
use crate::verify::read::incident;

/// Objects of a page.
const PAGE: u32 = 500;
/// Objects of one kind that are read; what is beyond that is more than an incident needs.
const MOST: usize = 20_000;

/// What is to be taken.
#[derive(Debug)]
pub struct Wanted {
    pub namespace: String,
    pub issue: String,
    pub log_lines: u32,
    /// Bytes of the file.
    pub limit: usize,
    pub at: Timestamp,
}

struct Collector<'a> {
    client: &'a Client,
    scrubber: &'a Scrubber,
    bundle: Bundle,
    /// Fields that were cut, with their objects.
    cut: usize,
}

/// What a kind came to: the objects of the incident's namespaces, and those of others.
#[derive(Default)]
struct Found {
    ours: Vec<Value>,
    others: Vec<Value>,
}

/// Reads an incident.
///
/// # Errors
/// When the Issue cannot be read or has no room; what else cannot is noted in the bundle.
pub async fn bundle(client: &Client, scrubber: &Scrubber, wanted: &Wanted) -> anyhow::Result<Bundle> {
    let (issue, insight) = incident(client, &wanted.namespace, &wanted.issue).await?;
    let said = insight.as_ref().and_then(|insight| insight.status.as_ref()?.root_cause.clone());
    let cause = said.or_else(|| issue.status.as_ref()?.root_cause.clone());
    let places = namespaces(&issue, cause.as_ref());
    let bundle = Bundle {
        format: FORMAT.to_owned(),
        version: VERSION,
        at: wanted.at,
        by: format!("chatcli {}", env!("CARGO_PKG_VERSION")),
        issue: Named { namespace: wanted.namespace.clone(), name: wanted.issue.clone() },
        missing: BTreeMap::new(),
        also: BTreeSet::new(),
        left_out: Vec::new(),
        objects: Vec::new(),
        logs: Vec::new(),
    };
    let mut collector = Collector { client, scrubber, bundle, cut: 0 };
    let optional = collector.optional().await;
    let mut found: Vec<(Kind, Found)> = Vec::new();
    for kind in kinds() {
        let Some(resource) = resource(&kind, &optional) else { continue };
        if kind.version.is_empty() {
            collector.bundle.also.insert(format!("{}/{}/{}", resource.group, resource.version, resource.plural));
        }
        if let Some(of_kind) = collector.read(&kind, &resource, &places).await {
            found.push((kind, of_kind));
        }
    }
    let anomalies = issue.status.iter().flat_map(|status| status.anomalies.iter().cloned()).collect();
    keep_ours(&mut found, wanted, insight.as_ref(), &anomalies);
    let all: Vec<&Value> = found.iter().flat_map(|(_, found)| &found.ours).collect();
    let affected = logs::affected(&issue, cause.as_ref(), &all);
    let (logs, gaps) = logs::read(client, scrubber, &affected, wanted.log_lines).await;
    collector.bundle.left_out.extend(gaps);
    if collector.cut > 0 {
        collector.bundle.left_out.push(format!("the ends of {} texts of more than 16 KiB", collector.cut));
    }
    let mut bundle = collector.bundle;
    fit(&mut bundle, loads(found, logs), wanted.limit);
    let here = bundle.subject().with_context(|| {
        format!(
            "Issue {}/{} found no room in {} bytes; remedy: a larger --limit",
            wanted.namespace, wanted.issue, wanted.limit
        )
    });
    here.map(|_| bundle)
}

/// The resource of a kind; none for an optional one that the cluster has not.
fn resource(kind: &Kind, optional: &[ApiResource]) -> Option<ApiResource> {
    if kind.version.is_empty() {
        return optional.iter().find(|known| known.group == kind.group && known.kind == kind.kind).cloned();
    }
    let api_version =
        if kind.group.is_empty() { kind.version.to_owned() } else { format!("{}/{}", kind.group, kind.version) };
    Some(ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version,
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    })
}

/// Of our own kinds only what belongs to this incident.
fn keep_ours(found: &mut [(Kind, Found)], wanted: &Wanted, insight: Option<&AIInsight>, anomalies: &BTreeSet<String>) {
    for (kind, of_kind) in found.iter_mut() {
        let mine = |object: &Value| {
            let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let here = text("/metadata/namespace") == wanted.namespace;
            let name = text("/metadata/name");
            match kind.kind {
                "Issue" => here && name == wanted.issue,
                "AIInsight" => here && insight.and_then(|insight| insight.metadata.name.as_deref()) == Some(name),
                "Anomaly" => here && anomalies.contains(name),
                _ => true,
            }
        };
        of_kind.ours.retain(mine);
    }
}

/// What is put in, in the order of its worth.
fn loads(found: Vec<(Kind, Found)>, logs: Vec<domain::bundle::Log>) -> Vec<Load> {
    let (mut own, mut here, mut elsewhere, mut late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (kind, Found { ours, others }) in found {
        let objects = |of: &str, objects| Load::Objects { kind: kind.kind, of: of.to_owned(), objects };
        match kind.kind {
            "Issue" | "AIInsight" | "Anomaly" => own.push(objects("of the incident", ours)),
            "Event" => late.insert(0, Load::Events(newest_first(ours))),
            _ if kind.reach == Reach::Cluster => here.push(objects("of the cluster", ours)),
            _ => here.push(objects("of the incident's namespaces", ours)),
        }
        match kind.kind {
            _ if others.is_empty() => {}
            "Pod" => late.push(Load::Neighbours(others)),
            _ => elsewhere.push(objects("of other namespaces", others)),
        }
    }
    late.insert(late.len().min(1), Load::Logs(logs));
    own.into_iter().chain(here).chain(elsewhere).chain(late).collect()
}

fn newest_first(mut events: Vec<Value>) -> Vec<Value> {
    let time = |event: &Value| {
        let times = ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
        let text = times.iter().find_map(|path| event.pointer(path).and_then(Value::as_str));
        text.and_then(|text| text.parse::<Timestamp>().ok())
    };
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    events
}

impl Collector<'_> {
    /// The optional kinds that the cluster has.
    async fn optional(&mut self) -> Vec<ApiResource> {
        let groups: BTreeSet<&str> = OPTIONAL.iter().map(|kind| kind.group).collect();
        let groups: Vec<&str> = groups.into_iter().collect();
        let all = match Discovery::new(self.client.clone()).filter(&groups).run().await {
            Ok(all) => all,
            Err(error) => {
                self.bundle
                    .left_out
                    .push(format!("kinds beyond those of Kubernetes; they could not be looked up ({error})"));
                return Vec::new();
            }
        };
        let find = |kind: &domain::graph::OptionalKind| Some(all.get(kind.group)?.recommended_kind(kind.kind)?.0);
        OPTIONAL.iter().filter_map(find).collect()
    }

    /// The objects of a kind, reduced. None where they cannot be read, which is noted.
    async fn read(&mut self, kind: &Kind, resource: &ApiResource, places: &BTreeSet<String>) -> Option<Found> {
        let listed = match kind.reach {
            Reach::Namespace => self.in_each(resource, places).await,
            Reach::Cluster => self.list(&Api::all_with(self.client.clone(), resource)).await,
            Reach::Everywhere => match self.list(&Api::all_with(self.client.clone(), resource)).await {
                // A role of one namespace is enough for what lies there.
                Err(kube::Error::Api(status)) if status.is_forbidden() => {
                    let what = format!("{} of other namespaces, which may not be read", kind.plural);
                    self.bundle.left_out.push(what);
                    self.in_each(resource, places).await
                }
                other => other,
            },
        };
        let objects = match listed {
            Ok(objects) => objects,
            Err(kube::Error::Api(status)) if status.code == 404 && kind.optional => return None,
            Err(error) => {
                let why = match error {
                    kube::Error::Api(status) => status.message.clone(),
                    other => other.to_string(),
                };
                self.bundle.missing.insert(kind.kind.to_owned(), self.scrubber.scrub(&why));
                return None;
            }
        };
        if objects.len() > MOST {
            self.bundle.missing.insert(kind.kind.to_owned(), format!("there are more than {MOST}"));
            return None;
        }
        let mut found = Found::default();
        for object in objects {
            let Ok(mut value) = serde_json::to_value(object) else { continue };
            let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            let ours = kind.reach == Reach::Cluster || places.contains(namespace);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("apiVersion".to_owned(), resource.api_version.clone().into());
                fields.insert("kind".to_owned(), resource.kind.clone().into());
            }
            if kind.kind == "Secret" {
                value = secret(&value, certificate(&value));
            } else if kind.kind == "Pod" && !ours {
                value = slim_pod(&value);
            }
            self.cut += reduce(&mut value, self.scrubber).len();
            if ours { found.ours.push(value) } else { found.others.push(value) }
        }
        Some(found)
    }

    async fn in_each(&self, resource: &ApiResource, places: &BTreeSet<String>) -> kube::Result<Vec<DynamicObject>> {
        let mut all = Vec::new();
        for place in places {
            all.extend(self.list(&Api::namespaced_with(self.client.clone(), place, resource)).await?);
        }
        Ok(all)
    }

    async fn list(&self, api: &Api<DynamicObject>) -> kube::Result<Vec<DynamicObject>> {
        let mut params = ListParams::default().limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = api.list(&params).await?;
            all.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty() && all.len() <= MOST) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(all),
            }
        }
    }
}

/// The dates and names of a Secret's certificate.
fn certificate(object: &Value) -> Option<Certificate> {
    if object.get("type").and_then(Value::as_str) != Some("kubernetes.io/tls") {
        return None;
    }
    let pem: ByteString = serde_json::from_value(object.get("data")?.get("tls.crt")?.clone()).ok()?;
    let pki::Validity { begins, ends, names } = pki::validity(&pem.0).ok()?;
    Some(Certificate { not_before: begins, not_after: ends, names })
}
