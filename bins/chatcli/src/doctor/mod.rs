//! `chatcli doctor`: reads an installation and prints what it lacks. The judgement stands in `domain::doctor`.

mod references;

use std::time::Duration;

use anyhow::{Context, bail};
use api::{ApprovalPolicy, Instance, NotificationPolicy};
use clap::{Args as Flags, ValueEnum};
use domain::doctor::{Behind, Facts, Finding, InstanceFacts, Level, OperatorFacts, examine};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kit::clock::{Clock, SystemClock};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::process;

/// How long all of the reading may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Checks an installation against what production needs, with the fix for each finding.
#[derive(Flags, Debug)]
pub struct Args {
    #[command(flatten)]
    cluster: process::Cluster,
    /// Namespace of the operator
    #[arg(long, short, value_name = "NAME", default_value = "chatcli-system")]
    namespace: String,
    /// Domain of the cluster
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    cluster_domain: String,
    /// Form of what is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// One finding a line, its remedy below
    Text,
    /// One JSON list
    Json,
}

/// Reads, judges, prints.
///
/// # Errors
/// When the cluster cannot be read, or something does not work.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.cluster.connect("chatcli_doctor").await?;
    let read = tokio::time::timeout(DEADLINE, read(&client, &args)).await;
    let facts = read.with_context(|| {
        format!("the cluster did not answer within {} s; remedy: check --kubeconfig and --context", DEADLINE.as_secs())
    })??;
    let findings = examine(&facts, SystemClock.now());
    print(&findings, args.output)?;
    let failures = findings.iter().filter(|f| f.level == Level::Failure).count();
    if failures > 0 {
        bail!("{failures} of {} findings are failures", findings.len());
    }
    Ok(())
}

fn print(findings: &[Finding], output: Output) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let mut text = String::new();
    match output {
        Output::Json => {
            let list: Vec<_> = findings
                .iter()
                .map(|f| json!({"level": f.level.word().to_lowercase(), "object": f.object, "text": f.text, "remedy": f.remedy}))
                .collect();
            writeln!(text, "{}", serde_json::to_string_pretty(&list)?)?;
        }
        Output::Text => {
            for finding in findings {
                writeln!(text, "{:<5} {}: {}", finding.level.word(), finding.object, finding.text)?;
                if let Some(remedy) = &finding.remedy {
                    writeln!(text, "      remedy: {remedy}")?;
                }
            }
        }
    }
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// What a list gives; what may not be read is noted, what cannot be reached ends the command.
struct Reader<'a> {
    client: &'a Client,
    facts: Facts,
}

async fn read(client: &Client, args: &Args) -> anyhow::Result<Facts> {
    let mut reader = Reader { client, facts: Facts { namespace: args.namespace.clone(), ..Facts::default() } };
    reader.definitions().await?;
    reader.operator().await?;
    reader.keys().await?;
    reader.policies().await?;
    reader.instances(&args.cluster_domain).await?;
    Ok(reader.facts)
}

impl Reader<'_> {
    /// A list; nothing where it may not be read or the kind is not there.
    async fn list<K>(&mut self, what: &str, api: Api<K>, params: &ListParams) -> anyhow::Result<Option<Vec<K>>>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        match api.list(params).await {
            Ok(list) => Ok(Some(list.items)),
            Err(kube::Error::Api(status)) => {
                self.facts.unreadable.push((what.to_owned(), status.message.clone()));
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("{what} cannot be read")),
        }
    }

    async fn definitions(&mut self) -> anyhow::Result<()> {
        let judged = operator::judge_definitions(self.client).await;
        match judged {
            Ok(judged) => self.facts.definitions = judged,
            Err(kube::Error::Api(status)) => {
                self.facts.unreadable.push(("CustomResourceDefinitions".to_owned(), status.message.clone()));
            }
            Err(error) => {
                return Err(error).context("the cluster cannot be read; remedy: check --kubeconfig and --context");
            }
        }
        Ok(())
    }

    async fn operator(&mut self) -> anyhow::Result<()> {
        let namespace = self.facts.namespace.clone();
        let params = ListParams::default().labels("app.kubernetes.io/name=chatcli-operator");
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        if let Some(found) = self.list("Deployments", deployments, &params).await?
            && let Some(deployment) = found.into_iter().next()
        {
            self.facts.operator = OperatorFacts {
                deployment: Some(deployment.name_any()),
                wanted: deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
                ready: deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0),
                ..OperatorFacts::default()
            };
        }
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &namespace);
        let found = self.list("Leases", leases, &ListParams::default()).await?.unwrap_or_default();
        if let Some(spec) = found.into_iter().find(|l| l.name_any() == "chatcli-operator-lock").and_then(|l| l.spec) {
            self.facts.operator.leader = spec.holder_identity.filter(|holder| !holder.is_empty());
            self.facts.operator.renewed = spec.renew_time.map(|t| t.0);
        }
        Ok(())
    }

    async fn keys(&mut self) -> anyhow::Result<()> {
        let namespace = self.facts.namespace.clone();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let secret = match secrets.get_opt("chatcli-operator-secrets").await {
            Ok(secret) => {
                secret.and_then(|s| s.data?.get("api-keys").map(|v| String::from_utf8_lossy(&v.0).into_owned()))
            }
            // Without the right to read it, the ConfigMap may still tell.
            Err(kube::Error::Api(_)) => None,
            Err(error) => return Err(error).context("Secret chatcli-operator-secrets cannot be read"),
        };
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let text = match (secret, maps.get_opt("chatcli-operator-config").await) {
            (Some(text), _) => Some(text),
            (None, Ok(map)) => map.and_then(|map| map.data?.remove("api-keys")),
            (None, Err(kube::Error::Api(status))) => {
                self.facts.unreadable.push(("ConfigMap chatcli-operator-config".to_owned(), status.message.clone()));
                None
            }
            (None, Err(error)) => return Err(error).context("ConfigMap chatcli-operator-config cannot be read"),
        };
        self.facts.api_keys = text.map(|text| usable_keys(&text));
        Ok(())
    }

    async fn policies(&mut self) -> anyhow::Result<()> {
        let params = ListParams::default();
        let approvals: Api<ApprovalPolicy> = Api::all(self.client.clone());
        let found = self.list("ApprovalPolicies", approvals, &params).await?.unwrap_or_default();
        self.facts.approval_policies = found.iter().filter(|p| p.spec.enabled).count();
        let notifications: Api<NotificationPolicy> = Api::all(self.client.clone());
        let found = self.list("NotificationPolicies", notifications, &params).await?.unwrap_or_default();
        self.facts.notification_policies = found.iter().filter(|p| p.spec.enabled).count();
        Ok(())
    }

    async fn instances(&mut self, cluster_domain: &str) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let instances: Api<Instance> = Api::all(self.client.clone());
        for instance in self.list("Instances", instances, &ListParams::default()).await?.unwrap_or_default() {
            let behind = self.behind(&instance).await?;
            let read = references::read(self.client, &instance, cluster_domain, now).await?;
            self.facts.unreadable.extend(read.unreadable);
            self.facts.instances.push(InstanceFacts { instance, references: read.references, behind });
        }
        Ok(())
    }

    async fn behind(&mut self, instance: &Instance) -> anyhow::Result<Behind> {
        let (name, namespace) = (instance.name_any(), instance.namespace().unwrap_or_default());
        let services: Api<Service> = Api::namespaced(self.client.clone(), &namespace);
        match services.get_opt(&name).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Behind::NoService),
            Err(kube::Error::Api(status)) => {
                self.facts.unreadable.push((format!("Service {namespace}/{name}"), status.message.clone()));
                return Ok(Behind::Unread);
            }
            Err(error) => return Err(error).with_context(|| format!("Service {namespace}/{name} cannot be read")),
        }
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &namespace);
        let params = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
        let Some(slices) = self.list(&format!("EndpointSlices of {namespace}"), slices, &params).await? else {
            return Ok(Behind::Unread);
        };
        let all = slices.iter().flat_map(|slice| &slice.endpoints);
        let (ready, other): (Vec<_>, Vec<_>) =
            all.partition(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true));
        Ok(Behind::Pods { ready: ready.len(), not_ready: other.len() })
    }
}

/// How many entries of `api-keys` have a key and a role.
fn usable_keys(text: &str) -> usize {
    let list: Vec<serde_json::Value> = serde_saphyr::from_str(text).unwrap_or_default();
    let filled = |entry: &serde_json::Value, field: &str| {
        entry.get(field).and_then(serde_json::Value::as_str).is_some_and(|value| !value.trim().is_empty())
    };
    list.iter().filter(|entry| filled(entry, "key") && filled(entry, "role")).count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_without_a_value_or_a_role_do_not_count() {
        let text =
            "- key: \"ck_live_admin\"\n  role: admin\n  description: SRE\n- key: \"\"\n  role: viewer\n- role: admin\n";
        assert_eq!(super::usable_keys(text), 1);
        assert_eq!(super::usable_keys("not a list"), 0);
    }
}
