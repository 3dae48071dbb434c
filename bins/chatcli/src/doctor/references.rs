//! The Secrets, ConfigMaps and certificates that an Instance names, read and judged without the operator: the same
//! judgement that the operator makes, by `domain::instance` and `pki`.

use std::collections::BTreeMap;

use anyhow::Context;
use api::Instance;
use domain::doctor::Reference;
use domain::instance::{Kind, Seen, TlsOf, View, judge, needs};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::{Api, Client};
use pki::{Given, Trust, inspect};

/// What was read, and what could not be.
pub struct Read {
    /// What is wrong.
    pub references: Vec<Reference>,
    /// Objects that may not be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Reads and judges everything that an Instance names.
///
/// # Errors
/// When the API server does not answer.
pub async fn read(client: &Client, instance: &Instance, cluster_domain: &str, now: Timestamp) -> anyhow::Result<Read> {
    let view = View::of(instance);
    let mut read = Read { references: Vec::new(), unreadable: Vec::new() };
    for need in needs(view) {
        match seen(client, view.namespace(), need.kind, &need.name).await {
            Ok(seen) => {
                let troubles = judge(view, &need, &seen).into_iter();
                read.references.extend(troubles.map(|t| Reference {
                    field: need.field.clone(),
                    problem: t.text,
                    remedy: t.remedy,
                }));
                let tls = matches!(view.tls(), TlsOf::Given(name) if need.kind == Kind::Secret && name == need.name);
                // What stands before an address may hold another certificate: only the operator's dial tells about it.
                if let (true, Some(content), None) =
                    (tls, &seen, instance.spec.server.as_ref().and_then(|s| s.address.as_ref()))
                {
                    read.references.extend(certificate(content, &view.server_name(cluster_domain), now));
                }
            }
            Err(kube::Error::Api(status)) => {
                let what = format!("{:?} {}/{}", need.kind, view.namespace(), need.name);
                read.unreadable.push((what, status.message.clone()));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} {} cannot be read", view.namespace(), need.name));
            }
        }
    }
    Ok(read)
}

fn certificate(content: &BTreeMap<String, ByteString>, server_name: &str, now: Timestamp) -> Vec<Reference> {
    let of = |key: &str| content.get(key).map(|value| value.0.as_slice());
    // A key that is missing is told by the judgement of the Secret.
    if of("tls.crt").is_none() || of("tls.key").is_none() {
        return Vec::new();
    }
    let names = [server_name.to_owned()];
    let given = Given { certificate: of("tls.crt"), key: of("tls.key"), ca: of("ca.crt"), names: &names };
    let findings = inspect(&given, &Trust::system(), now).into_iter();
    findings
        .map(|f| Reference {
            field: format!("spec.server.tls.secretName, key {}", f.field.key()),
            problem: f.text,
            remedy: f.remedy,
        })
        .collect()
}

async fn seen(client: &Client, namespace: &str, kind: Kind, name: &str) -> Result<Seen, kube::Error> {
    match kind {
        Kind::Secret => {
            let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await?;
            Ok(secret.map(|secret| secret.data.unwrap_or_default()))
        }
        Kind::ConfigMap => {
            let map = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(name).await?;
            Ok(map.map(|map| {
                let text = map.data.unwrap_or_default().into_iter().map(|(k, v)| (k, ByteString(v.into_bytes())));
                text.chain(map.binary_data.unwrap_or_default()).collect()
            }))
        }
        Kind::Claim => {
            let claim = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace).get_opt(name).await?;
            Ok(claim.map(|_| BTreeMap::new()))
        }
    }
}
