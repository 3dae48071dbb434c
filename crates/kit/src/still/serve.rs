//! Answers requests.

use std::collections::{BTreeMap, HashMap};

use axum::body::{Body, Bytes};
use futures::StreamExt;
use http::{Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use super::request::{Target, query, selects};
use super::{Still, StillKind};

/// The version that every list has: nothing ever changes.
const VERSION: &str = "1";
/// Lines of a log where nobody says how many.
const LINES: usize = 10_000;

impl Still {
    pub(super) fn answer(&self, method: &Method, uri: &Uri) -> Response<Body> {
        if *method != Method::GET {
            return status(405, "MethodNotAllowed", "this cluster stands still: nothing can be written");
        }
        let query = query(uri.query().unwrap_or_default());
        if let Some(found) = self.discovery(uri.path()) {
            return json_answer(200, &found);
        }
        let Some(target) = Target::parse(uri.path()) else { return not_found(uri.path()) };
        let known = |kind: &&StillKind| {
            kind.group == target.group && kind.plural == target.plural && kind.version == target.version
        };
        let Some(kind) = self.kinds.iter().find(known) else { return not_found(uri.path()) };
        if let Some(why) = self.refused.get(&(target.group.clone(), target.plural.clone())) {
            return status(403, "Forbidden", why);
        }
        let place = (target.namespace.clone().unwrap_or_default(), target.name.clone().unwrap_or_default());
        match (&target.name, target.subresource.as_deref()) {
            (Some(_), None) => match self.find(&target, &place) {
                Some(object) => json_answer(200, object),
                None => not_found(uri.path()),
            },
            (Some(_), Some("log")) => self.log_of(&place, &query),
            (Some(_), Some(_)) => not_found(uri.path()),
            (None, _) if query.get("watch").is_some_and(|watch| watch == "true" || watch == "1") => {
                self.watch(kind, &target, &query)
            }
            (None, _) => json_answer(200, &self.list(kind, &target, &query)),
        }
    }

    fn find(&self, target: &Target, place: &(String, String)) -> Option<&Value> {
        self.objects.get(&(target.group.clone(), target.plural.clone()))?.get(place)
    }

    fn chosen<'a>(
        &'a self,
        target: &'a Target,
        query: &'a HashMap<String, String>,
    ) -> impl Iterator<Item = &'a Value> + 'a {
        let all = self.objects.get(&(target.group.clone(), target.plural.clone()));
        let inside = move |namespace: &str| target.namespace.as_deref().is_none_or(|wanted| wanted == namespace);
        all.into_iter()
            .flatten()
            .filter(move |((namespace, _), object)| inside(namespace) && selects(query, object))
            .map(|(_, object)| object)
    }

    fn list(&self, kind: &StillKind, target: &Target, query: &HashMap<String, String>) -> Value {
        let items: Vec<&Value> = self.chosen(target, query).collect();
        json!({"apiVersion": group_version(kind), "kind": format!("{}List", kind.kind),
            "metadata": {"resourceVersion": VERSION}, "items": items})
    }

    /// A stream that tells what there is, if that is wanted, and then is silent for ever.
    fn watch(&self, kind: &StillKind, target: &Target, query: &HashMap<String, String>) -> Response<Body> {
        let mut lines = Vec::new();
        if query.get("sendInitialEvents").is_some_and(|wanted| wanted == "true") {
            lines.extend(self.chosen(target, query).map(|object| line(&json!({"type": "ADDED", "object": object}))));
            let end = json!({"apiVersion": group_version(kind), "kind": kind.kind, "metadata": {
                "resourceVersion": VERSION, "annotations": {"k8s.io/initial-events-end": "true"}}});
            lines.push(line(&json!({"type": "BOOKMARK", "object": end})));
        }
        let told = futures::stream::iter(lines.into_iter().map(Ok::<_, std::convert::Infallible>));
        let mut response = Response::new(Body::from_stream(told.chain(futures::stream::pending())));
        set_json(&mut response);
        response
    }

    fn log_of(&self, (namespace, pod): &(String, String), query: &HashMap<String, String>) -> Response<Body> {
        let previous = query.get("previous").is_some_and(|previous| previous == "true");
        let container = query.get("container").cloned().unwrap_or_default();
        let key = (namespace.clone(), pod.clone(), container, previous);
        let Some(lines) = self.logs.get(&key) else {
            return status(404, "NotFound", "no log of this run of the container is known");
        };
        let wanted = query.get("tailLines").and_then(|lines| lines.parse().ok()).unwrap_or(LINES);
        let last = lines.get(lines.len().saturating_sub(wanted)..).unwrap_or_default();
        let mut text: String = last.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        if let Some(limit) = query.get("limitBytes").and_then(|limit| limit.parse::<usize>().ok()) {
            let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
        Response::new(Body::from(text))
    }

    /// What the server says about its kinds; none for another path.
    fn discovery(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["version"] => Some(json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0"})),
            ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
            ["apis"] => Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": self.groups()})),
            ["apis", group] => self.groups().into_iter().find(|found| found["name"] == *group),
            ["api", version] => self.resources("", version),
            ["apis", group, version] => self.resources(group, version),
            _ => None,
        }
    }

    fn groups(&self) -> Vec<Value> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for kind in self.kinds.iter().filter(|kind| !kind.group.is_empty()) {
            let versions = groups.entry(&kind.group).or_default();
            if !versions.contains(&kind.version.as_str()) {
                versions.push(&kind.version);
            }
        }
        let one = |(group, versions): (&str, Vec<&str>)| {
            let named = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
            let all: Vec<Value> = versions.iter().map(named).collect();
            json!({"name": group, "versions": all, "preferredVersion": all.last()})
        };
        groups.into_iter().map(one).collect()
    }

    fn resources(&self, group: &str, version: &str) -> Option<Value> {
        let mut found = Vec::new();
        let mut group_version = None;
        for kind in self.kinds.iter().filter(|kind| kind.group == group && kind.version == version) {
            group_version = Some(self::group_version(kind));
            found.push(json!({"name": kind.plural, "singularName": kind.kind.to_lowercase(), "kind": kind.kind,
                "namespaced": kind.namespaced, "verbs": ["get", "list", "watch"]}));
        }
        Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version?, "resources": found}))
    }
}

fn group_version(kind: &StillKind) -> String {
    if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) }
}

fn line(event: &Value) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

fn set_json(response: &mut Response<Body>) {
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
}

fn json_answer(code: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    set_json(&mut response);
    response
}

fn status(code: u16, reason: &str, message: &str) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code});
    json_answer(code, &status)
}

fn not_found(path: &str) -> Response<Body> {
    status(404, "NotFound", &format!("{path} is not there"))
}
