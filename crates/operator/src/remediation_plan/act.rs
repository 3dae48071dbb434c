//! The side effects: one patch or delete, with the target's UID and resourceVersion as precondition.

use domain::remediation::fields::{self, Fields};
use domain::remediation::preflight::{Change, Effect, TargetKind};
use domain::remediation::steps;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::Value;

use super::Controller;
use super::error::Error;

/// How a side effect ended.
pub(super) enum Acted {
    /// It is on the cluster; fingerprint of the changed fields.
    Done(Option<String>),
    /// The API server refused it; nothing changed.
    Refused(String),
}

/// What to act on: the object as it was just read, the fields and the key to leave on it.
pub(super) struct Setting<'a> {
    pub kind: TargetKind,
    pub object: &'a Value,
    pub wanted: &'a Fields,
    pub key: &'a str,
}

impl Controller {
    /// Asks the API server whether it would take an effect, and what the changed fields would be then.
    pub(super) async fn dry_run(&self, effect: &Effect, object: &Value, key: &str) -> Result<Acted, Error> {
        match &effect.change {
            Change::Set { wanted, .. } => {
                self.set(&Setting { kind: effect.target.kind, object, wanted, key }, true).await
            }
            Change::Delete => self.delete(effect.target.kind, object, true).await,
        }
    }

    /// Sets fields and leaves the key, in one write, only if the object is still the one that was read.
    pub(super) async fn set(&self, setting: &Setting<'_>, dry_run: bool) -> Result<Acted, Error> {
        let (namespace, name) = (text(setting.object, "/metadata/namespace"), text(setting.object, "/metadata/name"));
        let what = format!("{} {namespace}/{name}", setting.kind.name());
        let ops = steps::patch(setting.object, setting.wanted, setting.key);
        let patch =
            serde_json::from_value(Value::Array(ops)).map_err(|source| Error::Json { what: what.clone(), source })?;
        let params =
            PatchParams { dry_run, field_manager: Some(super::report::MANAGER.to_owned()), ..PatchParams::default() };
        let answer = self.reader.raw(setting.kind, namespace).patch(name, &params, &Patch::<Value>::Json(patch)).await;
        match answer {
            Ok(after) => {
                let after = serde_json::to_value(&after).map_err(|source| Error::Json { what, source })?;
                Ok(Acted::Done(Some(fields::digest(&fields::read_like(&after, setting.wanted)))))
            }
            Err(source) => self.refused(setting.kind, setting.object, what, source).await,
        }
    }

    /// Deletes the pod with this UID. One that is gone is deleted.
    pub(super) async fn delete(&self, kind: TargetKind, object: &Value, dry_run: bool) -> Result<Acted, Error> {
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let what = format!("{} {namespace}/{name}", kind.name());
        let params = DeleteParams {
            dry_run,
            preconditions: Some(Preconditions {
                uid: Some(text(object, "/metadata/uid").to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.reader.raw(kind, namespace).delete(name, &params).await {
            Ok(_) => Ok(Acted::Done(None)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Acted::Done(None)),
            Err(source) => self.refused(kind, object, what, source).await,
        }
    }

    /// Tells a refusal of the change from a target that has moved on, which is looked at again.
    async fn refused(
        &self,
        kind: TargetKind,
        object: &Value,
        what: String,
        source: kube::Error,
    ) -> Result<Acted, Error> {
        let kube::Error::Api(status) = &source else { return Err(Error::Act { what, source }) };
        let final_answer = (400..500).contains(&status.code) && !matches!(status.code, 408 | 409 | 429);
        if !final_answer {
            return Err(Error::Act { what, source });
        }
        let message = status.message.clone();
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let now = self.reader.object(kind, namespace, name).await?;
        let version = now.as_ref().map(|o| text(o, "/metadata/resourceVersion"));
        if version != Some(text(object, "/metadata/resourceVersion")) {
            return Err(Error::Moved { what });
        }
        Ok(Acted::Refused(format!("the API server refused the change of {what}: {message}")))
    }
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
