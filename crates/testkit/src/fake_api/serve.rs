//! Answers requests.

use std::collections::HashMap;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kit::still::request::{Target, query, selects};
use kube::client::Body;
use serde_json::{Map, Value, json};
use tower::BoxError;

use super::faults::What;
use super::request::{Seen, verb};
use super::store::{Kind, Store, has_finalizers, set};
use super::{Answer, FakeApi, State, merge};

type Outcome = Result<(u16, Value), (u16, String)>;

struct Call {
    verb: &'static str,
    target: Target,
    kind: Kind,
    query: HashMap<String, String>,
    content_type: String,
    body: Value,
}

impl Call {
    fn dry(&self) -> bool {
        self.query.contains_key("dryRun") || self.body.get("dryRun").is_some()
    }

    fn namespace(&self) -> &str {
        self.target.namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    fn subresource(&self) -> &str {
        self.target.subresource.as_deref().unwrap_or_default()
    }

    fn not_found(&self) -> (u16, String) {
        (404, format!("{}.{} {:?} not found", self.kind.plural, self.kind.group, self.name()))
    }
}

impl FakeApi {
    pub(super) async fn serve(&self, request: http::Request<Body>) -> Result<Answer, BoxError> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query_text = head.uri.query().unwrap_or_default().to_owned();
        let body = body.collect().await?.to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        let query = query(&query_text);
        let call = Target::parse(&path).and_then(|target| {
            let verb = verb(&target, &head.method, &query)?;
            let kind = Kind { group: target.group.clone(), plural: target.plural.clone() };
            Some(Call {
                verb,
                target,
                kind,
                query,
                content_type: header(&head.headers, "content-type"),
                body: body.clone(),
            })
        });
        let Some(call) = call else {
            return Ok(answer(404, &status(404, &format!("no such path: {path}"))));
        };
        let seen = Seen { verb: call.verb, path: path.clone(), query: query_text, body, code: 0, written: false };
        let index = {
            let mut state = self.lock();
            if state.faults.dead() {
                return Err("the process is dead".into());
            }
            state.log.push(seen);
            state.log.len() - 1
        };
        let fault = self.lock().faults.take(call.verb, &path);
        match fault {
            Some(What::Stall) => std::future::pending().await,
            Some(What::Refuse(code)) => {
                self.note(index, code, false);
                return Ok(answer(code, &status(code, "refused by the test")));
            }
            Some(What::LoseAnswer) => {
                self.carry_out(&call, index);
                return Err("the connection broke before the answer".into());
            }
            None => {}
        }
        if call.verb == "watch" {
            return Ok(self.watch(call, index));
        }
        if call.subresource() == "log" {
            let text = self
                .lock()
                .logs
                .iter()
                .rev()
                .find(|(pod, _)| pod == call.name())
                .map(|(_, text)| text.clone())
                .unwrap_or_default();
            self.note(index, 200, false);
            return Ok(plain(200, text.into()));
        }
        let (code, value) = self.carry_out(&call, index);
        Ok(answer(code, &value))
    }

    fn note(&self, index: usize, code: u16, written: bool) {
        if let Some(seen) = self.lock().log.get_mut(index) {
            seen.code = code;
            seen.written = written;
        }
    }

    fn carry_out(&self, call: &Call, index: usize) -> (u16, Value) {
        let mut state = self.lock();
        let outcome = act(&mut state, call);
        let written = outcome.is_ok() && !matches!(call.verb, "get" | "list") && !call.dry();
        if written {
            state.faults.written();
        }
        drop(state);
        let (code, value) = outcome.unwrap_or_else(|(code, message)| (code, status(code, &message)));
        self.note(index, code, written);
        self.changed.notify_waiters();
        (code, value)
    }

    fn watch(&self, call: Call, index: usize) -> Answer {
        if call.query.contains_key("sendInitialEvents") {
            self.note(index, 422, false);
            return answer(
                422,
                &status(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
            );
        }
        self.note(index, 200, false);
        let from = call
            .query
            .get("resourceVersion")
            .and_then(|version| version.parse().ok())
            .unwrap_or_else(|| self.lock().store.version());
        let cuts = self.lock().faults.cuts;
        let api = self.clone();
        let stream = futures::stream::unfold(Some((from, call)), move |at| {
            let api = api.clone();
            async move {
                let (mut at, call) = at?;
                loop {
                    // Made before the look, so that a change between the two is not missed.
                    let changed = api.changed.notified();
                    tokio::pin!(changed);
                    changed.as_mut().enable();
                    {
                        let state = api.lock();
                        if state.faults.dead() || state.faults.cuts != cuts {
                            let gone = (state.faults.expired && !state.faults.dead())
                                .then(|| json!({"type": "ERROR", "object": status(410, "too old resource version")}));
                            return gone.map(|event| (frame(&event), None));
                        }
                        while let Some(event) = state.store.history.get(at) {
                            at += 1;
                            let inside =
                                call.target.namespace.as_ref().is_none_or(|namespace| *namespace == event.namespace);
                            if event.kind == call.kind && inside && selects(&call.query, &event.object) {
                                return Some((
                                    frame(&json!({"type": event.what, "object": event.object})),
                                    Some((at, call)),
                                ));
                            }
                        }
                    }
                    changed.await;
                }
            }
        });
        let mut response = Response::new(StreamBody::new(stream.map(Ok)).boxed_unsync());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn frame(event: &Value) -> Frame<Bytes> {
    Frame::data(Bytes::from(format!("{event}\n")))
}

fn answer(code: u16, value: &Value) -> Answer {
    plain(code, value.to_string().into())
}

fn plain(code: u16, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

/// A Status as the API server gives it.
fn status(code: u16, message: &str) -> Value {
    let reason = match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 if message.contains("already exists") => "AlreadyExists",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    json!({"apiVersion": "v1", "kind": "Status", "status": if code < 400 { "Success" } else { "Failure" }, "code": code, "reason": reason, "message": message})
}

fn act(state: &mut State, call: &Call) -> Outcome {
    let store = &mut state.store;
    if call.verb == "list" {
        let items: Vec<&Value> = store
            .list(&call.kind, call.target.namespace.as_deref())
            .filter(|object| selects(&call.query, object))
            .collect();
        return Ok((
            200,
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": store.version().to_string()}, "items": items}),
        ));
    }
    if call.verb == "create" && call.target.name.is_none() {
        return create(store, call);
    }
    if call.verb == "patch"
        && call.content_type.contains("apply-patch")
        && store.get(&call.kind, call.namespace(), call.name()).is_none()
    {
        if call.subresource().is_empty() && call.body.pointer("/metadata/resourceVersion").is_none() {
            remember(store, call);
            return create(store, call);
        }
        return Err(call.not_found());
    }
    if call.verb == "delete" && call.target.name.is_none() {
        let names: Vec<(String, String)> = store
            .list(&call.kind, call.target.namespace.as_deref())
            .filter(|object| selects(&call.query, object))
            .map(|object| (text(object, "/metadata/namespace"), text(object, "/metadata/name")))
            .collect();
        for (namespace, name) in names {
            store.remove(&call.kind, &namespace, &name);
        }
        return Ok((200, status(200, "deleted")));
    }
    let current = store.get(&call.kind, call.namespace(), call.name()).cloned().ok_or_else(|| call.not_found())?;
    match (call.verb, call.subresource()) {
        ("get", "scale") => Ok((200, scale(&current))),
        ("get", _) => Ok((200, current)),
        ("create", "eviction") | ("delete", "") => delete(store, call, current),
        (_, "scale") => {
            let mut object = current;
            if let (Some(replicas), Some(spec)) =
                (call.body.pointer("/spec/replicas"), object.get_mut("spec").and_then(Value::as_object_mut))
            {
                spec.insert("replicas".to_owned(), replicas.clone());
            }
            let object = keep(store, call, object);
            Ok((200, scale(&object)))
        }
        ("update" | "patch", subresource) => change(store, call, &current, subresource),
        _ => Err((405, format!("{} is not known on {}", call.verb, call.subresource()))),
    }
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn scale(object: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": object.pointer("/metadata/name"), "namespace": object.pointer("/metadata/namespace"), "resourceVersion": object.pointer("/metadata/resourceVersion"), "uid": object.pointer("/metadata/uid")},
        "spec": {"replicas": object.pointer("/spec/replicas")},
        "status": {"replicas": object.pointer("/status/replicas").cloned().unwrap_or_else(|| json!(0))},
    })
}

/// Stores, unless it is a dry run.
fn keep(store: &mut Store, call: &Call, object: Value) -> Value {
    if call.dry() { object } else { store.put(&call.kind, object) }
}

fn remember(store: &mut Store, call: &Call) -> Option<Value> {
    let manager = call.query.get("fieldManager").cloned().unwrap_or_default();
    store.remember(&call.kind, call.namespace(), call.name(), &manager, call.subresource(), &call.body)
}

fn create(store: &mut Store, call: &Call) -> Outcome {
    let mut object = call.body.clone();
    if text(&object, "/metadata/name").is_empty() {
        let name = format!("{}{}", text(&object, "/metadata/generateName"), store.version());
        set(&mut object, "name", json!(name));
    }
    if let Some(namespace) = &call.target.namespace {
        set(&mut object, "namespace", json!(namespace));
    }
    let name = text(&object, "/metadata/name");
    if store.get(&call.kind, call.namespace(), &name).is_some() {
        return Err((409, format!("{} {name:?} already exists", call.kind.plural)));
    }
    let uid = store.new_uid();
    set(&mut object, "uid", json!(uid));
    set(&mut object, "generation", json!(1));
    if let Some(object) = object.as_object_mut() {
        // As on the real one: a status cannot be given at birth.
        object.remove("status");
    }
    Ok((201, keep(store, call, object)))
}

fn delete(store: &mut Store, call: &Call, mut current: Value) -> Outcome {
    let wanted = call.body.get("preconditions").or_else(|| call.body.pointer("/deleteOptions/preconditions"));
    for field in ["uid", "resourceVersion"] {
        if let Some(wanted) = wanted.and_then(|wanted| wanted.get(field)).filter(|wanted| !wanted.is_null())
            && current.pointer(&format!("/metadata/{field}")) != Some(wanted)
        {
            return Err((409, format!("precondition on {field} failed")));
        }
    }
    if !call.dry() {
        if has_finalizers(&current) {
            set(&mut current, "deletionTimestamp", json!("2026-01-01T00:00:00Z"));
            current = store.put(&call.kind, current);
        } else {
            store.remove(&call.kind, call.namespace(), call.name());
        }
    }
    Ok(if call.subresource() == "eviction" { (201, status(201, "evicted")) } else { (200, current) })
}

fn change(store: &mut Store, call: &Call, current: &Value, subresource: &str) -> Outcome {
    for field in ["resourceVersion", "uid"] {
        if let Some(wanted) = call.body.pointer(&format!("/metadata/{field}")).filter(|wanted| !wanted.is_null())
            && current.pointer(&format!("/metadata/{field}")) != Some(wanted)
        {
            return Err((409, format!("the object has been modified: {field} is another")));
        }
    }
    let builtin = call.kind.is_builtin();
    let mut wanted = current.clone();
    if call.verb == "update" {
        wanted = call.body.clone();
    } else if call.content_type.contains("apply-patch") {
        let before = if call.dry() { None } else { remember(store, call) };
        merge::by_key(&mut wanted, &call.body, builtin, "");
        if let Some(before) = before {
            merge::forget(&mut wanted, &before, &call.body, builtin, "");
        }
    } else if call.content_type.contains("strategic") {
        merge::by_key(&mut wanted, &call.body, builtin, "");
    } else if call.content_type.contains("json-patch") {
        let patch: json_patch::Patch =
            serde_json::from_value(call.body.clone()).map_err(|error| (400, error.to_string()))?;
        json_patch::patch(&mut wanted, &patch).map_err(|error| (422, error.to_string()))?;
    } else {
        merge::merge(&mut wanted, &call.body);
    }
    Ok((200, keep(store, call, only(current, wanted, subresource))))
}

/// Takes from `wanted` what a write to this subresource may change, and the rest from `current`.
fn only(current: &Value, mut wanted: Value, subresource: &str) -> Value {
    let status = |object: &Value| object.get("status").cloned();
    let (mut object, status) = if subresource == "status" {
        (current.clone(), status(&wanted))
    } else {
        for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"] {
            if let Some(value) = current.pointer(&format!("/metadata/{field}")) {
                set(&mut wanted, field, value.clone());
            }
        }
        (wanted, status(current))
    };
    if let Value::Object(object) = &mut object {
        match status {
            Some(status) => drop(object.insert("status".to_owned(), status)),
            None => drop(object.remove("status")),
        }
        object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    }
    object
}
