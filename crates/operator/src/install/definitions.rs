//! Applies the CustomResourceDefinitions that are built in, and waits until the API server serves them.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::{Error, patiently};

/// Field manager of the definitions.
const MANAGER: &str = "chatcli-crds";
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What happened to a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was not there.
    Created(String),
    /// It was there and is another now.
    Changed(String),
    /// It was so already.
    Unchanged(String),
}

/// Applies all of them. What an older version or Helm's crds folder has set is taken over; nothing is deleted.
///
/// # Errors
/// When the API server refuses one, or does not serve it in time.
pub async fn apply(client: &Client) -> Result<Vec<Applied>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply(MANAGER).force();
    let mut done = Vec::new();
    for (name, wanted) in api::crds::objects() {
        let what = format!("{name} cannot be applied");
        let before = patiently(deadline, &what, || api.get_opt(&name)).await?;
        let patch = Patch::Apply(&wanted);
        let after = patiently(deadline, &what, || api.patch(&name, &params, &patch)).await?;
        done.push(match before.map(|crd| crd.metadata.generation) {
            None => Applied::Created(name),
            Some(generation) if generation == after.metadata.generation => Applied::Unchanged(name),
            Some(_) => Applied::Changed(name),
        });
    }
    for applied in &done {
        let (Applied::Created(name) | Applied::Changed(name) | Applied::Unchanged(name)) = applied;
        served(&api, name, deadline).await?;
    }
    Ok(done)
}

/// Waits until a definition is established.
async fn served(api: &Api<CustomResourceDefinition>, name: &str, deadline: Instant) -> Result<(), Error> {
    loop {
        let crd = patiently(deadline, name, || api.get(name)).await?;
        let Some(why) = not_established(&crd) else { return Ok(()) };
        if Instant::now() > deadline {
            return Err(Error::NotServed { name: name.to_owned(), why });
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Why a definition is not served yet.
fn not_established(crd: &CustomResourceDefinition) -> Option<String> {
    let conditions = crd.status.as_ref().and_then(|status| status.conditions.as_ref());
    let find = |type_: &str| conditions.and_then(|all| all.iter().find(|condition| condition.type_ == type_));
    match (find("Established"), find("NamesAccepted")) {
        (Some(established), _) if established.status == "True" => None,
        (_, Some(names)) if names.status == "False" => {
            Some(format!("its names are refused: {}", names.message.as_deref().unwrap_or_default()))
        }
        _ => Some("it is not established".to_owned()),
    }
}
