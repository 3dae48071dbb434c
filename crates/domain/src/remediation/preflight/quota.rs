//! Whether the ResourceQuotas of a namespace have room for what an action would add.
//!
//! The API server checks quotas when pods are made, not when their Deployment is changed, so a dry run does not see them.
//! Only what is certain is refused: the pods as they would be at the end. What a rollout needs on top for a moment is seen
//! by the verification. Quotas with scopes, which count only some pods, are left to it as well.

use std::collections::BTreeMap;

use serde_json::Value;

use super::guards::{array, place};
use super::{Change, Effect, Refusal, text};
use crate::diagnosis::amount;

/// Amounts by the name that a quota has for them, in thousandths.
type Amounts = BTreeMap<String, i128>;

/// Refuses an effect that needs more than a quota has left.
pub(super) fn room(deployment: &Value, effect: &Effect, quotas: &[Value]) -> Result<(), Refusal> {
    let Change::Set { wanted, .. } = &effect.change else { return Ok(()) };
    let mut after = deployment.clone();
    for (pointer, value) in wanted {
        if let Some(slot) = after.pointer_mut(pointer) {
            *slot = value.clone();
        } else if let Some((parent, last)) = pointer.rsplit_once('/')
            && let Some(Value::Object(map)) = after.pointer_mut(parent)
        {
            map.insert(last.to_owned(), value.clone());
        }
    }
    let (has, needs) = (total(deployment), total(&after));
    for quota in quotas.iter().filter(|q| unscoped(q)) {
        for (name, hard) in limits(quota, "/spec/hard") {
            let more = amount_of(&needs, &name) - amount_of(&has, &name);
            let used = limits(quota, "/status/used").get(&name).copied().unwrap_or_default();
            if more > 0 && used.saturating_add(more) > hard {
                let show = |m: i128| amount::show(name.rsplit('.').next().unwrap_or(&name), m);
                return Err(Refusal::new(
                    "QuotaExceeded",
                    format!(
                        "ResourceQuota {} allows {} {name} and {} are used; Deployment {} would need {} more. Raise the quota, or free some of it",
                        text(quota, "/metadata/name"),
                        show(hard),
                        show(used),
                        place(deployment),
                        show(more)
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn unscoped(quota: &Value) -> bool {
    array(quota, "/spec/scopes").is_empty() && quota.pointer("/spec/scopeSelector").is_none_or(Value::is_null)
}

fn limits(quota: &Value, pointer: &str) -> Amounts {
    let map = quota.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect()
}

fn read(value: &Value) -> Option<i128> {
    amount::millis(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// A quota may name a request without its prefix.
fn amount_of(amounts: &Amounts, name: &str) -> i128 {
    let long = format!("requests.{name}");
    amounts.get(name).or_else(|| amounts.get(&long)).copied().unwrap_or_default()
}

/// What all pods of a Deployment take together.
fn total(deployment: &Value) -> Amounts {
    let replicas = i128::from(deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1));
    let mut sum = Amounts::from([("pods".to_owned(), 1000), ("count/pods".to_owned(), 1000)]);
    for container in array(deployment, "/spec/template/spec/containers") {
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            let at = |list: &str| container.pointer(&format!("/resources/{list}/{resource}")).and_then(read);
            // A limit without a request is the request.
            let (limit, request) = (at("limits"), at("requests").or_else(|| at("limits")));
            *sum.entry(format!("limits.{resource}")).or_default() += limit.unwrap_or_default();
            *sum.entry(format!("requests.{resource}")).or_default() += request.unwrap_or_default();
        }
    }
    for amount in sum.values_mut() {
        *amount = amount.saturating_mul(replicas);
    }
    sum
}
