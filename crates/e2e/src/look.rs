//! Waiting for what is expected: a deadline and a poll, or a watch where a moment must not be missed.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use api::RemediationPlan;
use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;

/// Objects of one kind in a namespace.
pub async fn list<K>(client: &Client, namespace: &str) -> Vec<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    // While the API server is away there is nothing to see; the caller's deadline decides.
    Api::<K>::namespaced(client.clone(), namespace)
        .list(&ListParams::default())
        .await
        .map(|list| list.items)
        .unwrap_or_default()
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none in time.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, seconds: u64, mut ask: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        // An answer that never comes is none.
        if let Ok(Some(answer)) = tokio::time::timeout(Duration::from_secs(10), ask()).await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Waits for a plan of a namespace to be as `wanted`; every change of it is looked at, at once.
///
/// # Panics
/// When that does not happen in time.
pub async fn plan(
    client: &Client,
    namespace: &str,
    what: &str,
    seconds: u64,
    wanted: impl Fn(&RemediationPlan) -> bool,
) -> RemediationPlan {
    let api: Api<RemediationPlan> = Api::namespaced(client.clone(), namespace);
    let watch = async {
        loop {
            // From the beginning of what is there: a watch may end at any time.
            let Ok(stream) = api.watch(&WatchParams::default(), "0").await else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let mut stream = stream.boxed();
            while let Ok(Some(event)) = stream.try_next().await {
                if let WatchEvent::Added(plan) | WatchEvent::Modified(plan) = event
                    && wanted(&plan)
                {
                    return plan;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds), watch)
        .await
        .unwrap_or_else(|_| panic!("not within {seconds} s: {what}"))
}
