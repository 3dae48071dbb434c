//! Whether the installed CustomResourceDefinitions have every field that this version writes. An API server drops a field
//! that it does not know without a word, and a state machine whose state is dropped never gets anywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{AIInsight, Anomaly, ApprovalPolicy, ApprovalRequest, Instance, Issue, PostMortem, RemediationPlan};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use serde_json::Value;

/// How often it is looked at again while something is missing.
const AGAIN: Duration = Duration::from_secs(5);
/// Most missing fields of a kind that are named.
const NAMED: usize = 5;

/// What is known about the definitions; clones share it.
#[derive(Clone)]
pub struct Definitions {
    troubles: Arc<Mutex<Vec<String>>>,
}

impl Default for Definitions {
    fn default() -> Self {
        Self { troubles: Arc::new(Mutex::new(vec!["the CustomResourceDefinitions are not checked yet".to_owned()])) }
    }
}

impl Definitions {
    /// What is wrong with them, each with the remedy. Empty when they can be used.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until they can be used.
    pub async fn usable(&self, client: &Client) {
        loop {
            let troubles = look(client).await;
            let done = troubles.is_empty();
            let known =
                std::mem::replace(&mut *self.troubles.lock().unwrap_or_else(PoisonError::into_inner), troubles.clone());
            if done {
                return;
            }
            if known != troubles {
                for trouble in &troubles {
                    tracing::warn!("{trouble}");
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Every definition of ours by name, with what is wrong with it as it is installed.
///
/// # Errors
/// When the definitions cannot be read.
pub async fn judge(client: &Client) -> Result<Vec<(String, Option<String>)>, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let installed = api.list(&ListParams::default()).await?.items;
    let judged = api::crds::all().into_iter().map(|wanted| {
        let name = wanted.name_any();
        let problem = match installed.iter().find(|crd| crd.name_any() == name) {
            Some(installed) => lack(installed, &wanted).map(|lack| format!("it is older than this version, {lack}")),
            None => Some("it is not installed".to_owned()),
        };
        (name, problem)
    });
    Ok(judged.collect())
}

/// The fields that an installed definition lacks, in words.
fn lack(installed: &CustomResourceDefinition, wanted: &CustomResourceDefinition) -> Option<String> {
    let missing = missing(&schema(installed), &schema(wanted));
    let more = if missing.len() > NAMED { ", …" } else { "" };
    let fields = missing.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!missing.is_empty()).then(|| format!("it lacks {fields}{more}"))
}

async fn look(client: &Client) -> Vec<String> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut troubles = Vec::new();
    for wanted in wanted() {
        let name = wanted.name_any();
        match api.get(&name).await {
            Ok(installed) => {
                if let Some(lack) = lack(&installed, &wanted) {
                    troubles.push(format!(
                        "{name} is older than this operator, {lack}; remedy: chatcli crds | kubectl apply -f -"
                    ));
                }
            }
            // Whoever may not read them goes on as before: what is dropped shows at the objects.
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                tracing::debug!(name, "the definition may not be read, so it is not checked");
            }
            Err(error) => troubles.push(format!("{name} cannot be read: {error}; it is tried again")),
        }
    }
    troubles
}

/// Definitions of the kinds that the operator works with.
fn wanted() -> [CustomResourceDefinition; 8] {
    [
        Anomaly::crd(),
        Issue::crd(),
        AIInsight::crd(),
        RemediationPlan::crd(),
        ApprovalRequest::crd(),
        ApprovalPolicy::crd(),
        PostMortem::crd(),
        Instance::crd(),
    ]
}

fn schema(definition: &CustomResourceDefinition) -> Value {
    let version = definition.spec.versions.iter().find(|version| version.name == "v1alpha1");
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

/// Paths of the fields that one schema has and the other has not.
fn missing(installed: &Value, wanted: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    walk(installed, wanted, "", &mut paths);
    paths
}

fn walk(installed: &Value, wanted: &Value, path: &str, missing: &mut Vec<String>) {
    if installed.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return;
    }
    for (name, inner) in wanted.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match installed.get("properties").and_then(|properties| properties.get(name)) {
            Some(there) => walk(there, inner, &path, missing),
            None => missing.push(path),
        }
    }
    if let (Some(there), Some(inner)) = (installed.get("items"), wanted.get("items")) {
        walk(there, inner, &format!("{path}[]"), missing);
    }
}

#[cfg(test)]
mod tests {
    use testkit::fake_api::FakeApi;

    use super::*;

    fn installed() -> FakeApi {
        FakeApi::new().with_all(wanted())
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_definition_is_named_with_its_fields_and_an_update_is_noticed() {
        let fake = installed();
        fake.edit::<CustomResourceDefinition>("", "anomalies.platform.chatcli.io", |crd| {
            let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
            schema["status"]["properties"].as_object_mut().unwrap().remove("state");
            schema["spec"]["properties"]["evidence"]["items"]["properties"].as_object_mut().unwrap().remove("detail");
        });
        let (definitions, client) = (Definitions::default(), fake.client());
        assert_eq!(definitions.troubles().len(), 1, "nothing is checked yet");
        let waiting = definitions.usable(&client);
        let mended = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let troubles = definitions.troubles();
            assert_eq!(troubles.len(), 1);
            assert!(troubles[0].contains("it lacks spec.evidence[].detail, status.state; remedy: chatcli crds"));
            fake.put(Anomaly::crd());
        };
        tokio::join!(waiting, mended);
        assert!(definitions.troubles().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_that_may_not_be_read_is_not_waited_for_and_one_that_fails_is() {
        let fake = installed();
        fake.fail("get", "customresourcedefinitions", 403, 7);
        Definitions::default().usable(&fake.client()).await;
        fake.fail("get", "customresourcedefinitions", 500, 9);
        let before = tokio::time::Instant::now();
        Definitions::default().usable(&fake.client()).await;
        assert_eq!(before.elapsed(), AGAIN * 2);
    }
}
