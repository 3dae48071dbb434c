//! Who needs which Service: routes that lead to it, and workloads that look for it.

use std::collections::BTreeMap;

use api::shared::ObjectRef;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::backend::{self, Backend};
use super::gateway;
use super::index::Index;
use super::ingress;
use super::names::{self, Form};
use super::offer::offers;
use super::place::Place;
use super::settings::Spot;
use super::uses::Use;
use crate::graph::query::reference;
use crate::graph::{Touch, Workload};

/// Objects that are applied together are applied within this time.
const TOGETHER: SignedDuration = SignedDuration::from_secs(2);
/// Says to a controller of Ingresses what the pods behind speak.
const BACKEND_PROTOCOL: &str = "nginx.ingress.kubernetes.io/backend-protocol";

/// A Service is needed.
#[derive(Clone, Debug)]
pub(super) struct Need<'g> {
    /// By this route or workload.
    pub(super) by: ObjectRef,
    /// The workload.
    pub(super) client: Option<&'g Workload>,
    /// Where the name of the Service stands.
    pub(super) name_at: Spot,
    /// Where the port stands.
    pub(super) port_at: Spot,
    /// Variable that holds the port, when it is not that of the name.
    pub(super) port_variable: Option<String>,
    /// Whether the route was changed after it was made; none when that is not known.
    pub(super) edited: Option<bool>,
    /// What stands there, for people: `DB_HOST=db`, or the host and path of a route.
    pub(super) words: String,
    /// Variable, where one holds it.
    pub(super) variable: String,
    /// The value of the variable, or the name of the Service.
    pub(super) value: String,
    /// The host as it stands there.
    pub(super) host: String,
    /// Number or name of the port.
    pub(super) port: Option<IntOrString>,
    /// Whether the port is only the usual one of the protocol.
    pub(super) usual: bool,
    /// Whether nothing else can be meant: a route, or a variable that is for addresses.
    pub(super) plain: bool,
    /// Whether the host can only be a name of the cluster.
    pub(super) sure: bool,
    /// Whether it names a pod of the Service.
    pub(super) pod: bool,
    /// Whether it can do without: telemetry and the like.
    pub(super) spare: bool,
    /// Whether it speaks HTTP with TLS, or without.
    pub(super) secure: Option<bool>,
    /// Whether an init container or a probe needs it, so that the pod waits for it.
    pub(super) waits: bool,
    /// Where the scheme stands, when it is not in the address.
    pub(super) secure_at: Option<(ObjectRef, String)>,
}

impl Need<'_> {
    /// Kind and name of who needs it, and for what.
    pub(super) fn who(&self) -> String {
        match self.client {
            Some(_) => format!("{} {} ({})", self.by.kind, self.by.name, self.words),
            None => format!("{} {}", self.by.kind, self.by.name),
        }
    }
}

/// Services by namespace and name, with who needs them.
pub(super) type Needs<'g> = BTreeMap<(String, String), Vec<Need<'g>>>;

/// Whether a protocol of the annotation is HTTP over TLS.
fn secure(protocol: &str) -> Option<bool> {
    match protocol.to_ascii_uppercase().as_str() {
        "HTTPS" => Some(true),
        "HTTP" => Some(false),
        _ => None,
    }
}

/// All needs.
pub(super) fn of<'g>(index: &Index<'g>) -> Needs<'g> {
    let graph = index.graph;
    let mut found = Needs::new();
    for ingress in &graph.ingresses {
        let by = reference("networking.k8s.io/v1", "Ingress", &ingress.metadata);
        let touched = Touch::of(&ingress.metadata);
        let edited = edited(&ingress.metadata, touched.as_ref());
        for backend in backend::of_ingress(ingress) {
            let service = (backend.namespace.clone(), backend.service.clone());
            routed(&mut found, &graph.namespace, &by, touched.as_ref(), edited, backend);
            let key = (service.0.unwrap_or_else(|| graph.namespace.clone()), service.1);
            if let Some(need) = found.get_mut(&key).and_then(|needs| needs.last_mut()) {
                // Without the note of a controller that we know, nobody can tell what it speaks.
                need.secure = ingress::annotation(ingress, BACKEND_PROTOCOL).and_then(secure);
                need.secure_at = need.secure.map(|_| (by.clone(), format!("metadata.annotations[{BACKEND_PROTOCOL}]")));
            }
        }
    }
    for route in graph.others.iter().filter(|object| gateway::is_route(object)) {
        let by = gateway::object(route);
        let metadata: ObjectMeta = route
            .get("metadata")
            .and_then(|metadata| serde_json::from_value(Value::clone(metadata)).ok())
            .unwrap_or_default();
        let touched = Touch::of(&metadata);
        let edited = edited(&metadata, touched.as_ref());
        for backend in backend::of_route(route) {
            routed(&mut found, &graph.namespace, &by, touched.as_ref(), edited, backend);
        }
    }
    for used in index.uses() {
        let (namespace, name, sure, pod) = match &used.place {
            Place::Service { namespace, service, pod } => {
                (namespace, service.metadata.name.as_deref().unwrap_or_default(), true, *pod)
            }
            Place::Missing { namespace, name, sure } => (namespace, name.as_str(), *sure, false),
            _ => continue,
        };
        let key = (namespace.clone(), name.to_owned());
        if key == ("default".to_owned(), "kubernetes".to_owned()) || used.mention.host == "kubernetes" {
            continue;
        }
        found.entry(key).or_default().push(told(used, sure, pod));
    }
    found
}

fn routed(
    found: &mut Needs<'_>,
    here: &str,
    by: &ObjectRef,
    touched: Option<&Touch>,
    edited: Option<bool>,
    backend: Backend,
) {
    let spot = |path: &str| Spot { object: by.clone(), path: path.to_owned(), touched: touched.cloned() };
    let namespace = backend.namespace.clone().unwrap_or_else(|| here.to_owned());
    found.entry((namespace, backend.service.clone())).or_default().push(Need {
        by: by.clone(),
        client: None,
        name_at: spot(&backend.name_path),
        port_at: spot(&backend.port_path),
        port_variable: None,
        edited,
        words: backend.what,
        variable: String::new(),
        value: backend.service.clone(),
        host: backend.service,
        port: backend.port,
        usual: false,
        plain: true,
        sure: true,
        pod: false,
        spare: false,
        secure: None,
        waits: false,
        secure_at: None,
    });
}

fn told<'g>(used: &Use<'g>, sure: bool, pod: bool) -> Need<'g> {
    let own = used.port.map(|port| IntOrString::Int(i32::from(port)));
    let usual = used.mention.usual.map(|port| IntOrString::Int(i32::from(port)));
    let (port_variable, port_at) = used.port_at.clone().unzip();
    // A value that is nothing but host and port of a Service means that, whatever its variable is called.
    let exact = used.whole
        && used.mention.form == Form::HostPort
        && matches!(&used.place, Place::Service { service, .. } if own.as_ref().is_some_and(|port| offers(service, port)));
    Need {
        by: used.client.object.clone(),
        client: Some(used.client),
        name_at: used.spot.clone(),
        port_at: port_at.unwrap_or_else(|| used.spot.clone()),
        port_variable: port_variable.filter(|name| !name.is_empty()),
        edited: None,
        words: used.words(),
        variable: used.variable.trim_start_matches('-').to_owned(),
        value: used.value.clone(),
        host: used.mention.host.clone(),
        usual: own.is_none() && usual.is_some(),
        port: own.or(usual),
        plain: (used.plain || exact) && used.asks && active(used.client),
        sure: sure && (used.mention.form == Form::Url || used.plain),
        pod,
        spare: names::spare(&used.variable),
        secure: used.mention.secure,
        waits: used.waits,
        secure_at: None,
    }
}

/// Whether a workload has pods, or will have them by a schedule.
fn active(client: &Workload) -> bool {
    client.desired > 0 || matches!(client.object.kind.as_str(), "CronJob" | "DaemonSet")
}

/// Whether an object was changed after it was made.
pub(super) fn edited(metadata: &ObjectMeta, touched: Option<&Touch>) -> Option<bool> {
    let made: Timestamp = metadata.creation_timestamp.as_ref()?.0;
    Some(touched?.at.duration_since(made) > TOGETHER)
}

/// Whether one object was changed after another, by more than what applying them together takes.
pub(super) fn later(this: Option<&Touch>, that: Option<&Touch>) -> bool {
    this.zip(that).is_some_and(|(this, that)| this.at.duration_since(that.at) > TOGETHER)
}
