//! The Services that Ingresses and routes of the Gateway API send requests to.

use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

/// A Service that a route leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Backend {
    /// Path of the field with its name.
    pub(super) name_path: String,
    /// Path of the field with the port.
    pub(super) port_path: String,
    /// Namespace, when it is not that of the route.
    pub(super) namespace: Option<String>,
    /// The Service.
    pub(super) service: String,
    /// Number or name of the port.
    pub(super) port: Option<IntOrString>,
    /// Host and path, for people.
    pub(super) what: String,
}

/// Backends of an Ingress.
pub(super) fn of_ingress(ingress: &Ingress) -> Vec<Backend> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let mut found: Vec<Backend> = spec
        .default_backend
        .iter()
        .filter_map(|backend| ingress_backend(backend, "spec.defaultBackend", "the rest"))
        .collect();
    for (rule_at, rule) in spec.rules.iter().flatten().enumerate() {
        let host = rule.host.as_deref().unwrap_or("*");
        for (path_at, path) in rule.http.iter().flat_map(|http| &http.paths).enumerate() {
            let at = format!("spec.rules[{rule_at}].http.paths[{path_at}].backend");
            let what = format!("{host}{}", path.path.as_deref().unwrap_or("/"));
            found.extend(ingress_backend(&path.backend, &at, &what));
        }
    }
    found
}

fn ingress_backend(backend: &IngressBackend, at: &str, what: &str) -> Option<Backend> {
    let service = backend.service.as_ref()?;
    let number = service.port.as_ref().and_then(|port| port.number).filter(|number| *number != 0);
    let named = service.port.as_ref().and_then(|port| port.name.clone()).filter(|name| !name.is_empty());
    Some(Backend {
        name_path: format!("{at}.service.name"),
        port_path: format!("{at}.service.port.{}", if named.is_some() { "name" } else { "number" }),
        namespace: None,
        service: service.name.clone(),
        port: named.map(IntOrString::String).or(number.map(IntOrString::Int)),
        what: what.to_owned(),
    })
}

/// Backends of a route of the Gateway API.
pub(super) fn of_route(route: &Value) -> Vec<Backend> {
    let hosts = list(route, "/spec/hostnames").iter().find_map(Value::as_str).unwrap_or("*");
    let mut found = Vec::new();
    for (rule_at, rule) in list(route, "/spec/rules").iter().enumerate() {
        let path = rule.pointer("/matches/0/path/value").and_then(Value::as_str).unwrap_or("/");
        for (at, backend) in list(rule, "/backendRefs").iter().enumerate() {
            let text = |field: &str| backend.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
            let service = text("group").is_none() && text("kind").unwrap_or("Service") == "Service";
            let Some(name) = text("name").filter(|_| service) else { continue };
            let port = backend.get("port").and_then(Value::as_i64).and_then(|port| i32::try_from(port).ok());
            found.push(Backend {
                name_path: format!("spec.rules[{rule_at}].backendRefs[{at}].name"),
                port_path: format!("spec.rules[{rule_at}].backendRefs[{at}].port"),
                namespace: text("namespace").map(str::to_owned),
                service: name.to_owned(),
                port: port.map(IntOrString::Int),
                what: format!("{hosts}{path}"),
            });
        }
    }
    found
}

/// A list in an object; empty when there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
