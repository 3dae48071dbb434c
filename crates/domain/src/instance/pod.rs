//! The pod of a server: how it is started, what it is given, how it is probed.

use std::collections::BTreeMap;

use api::instance::InstanceProbe;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, HTTPGetAction, KeyToPath, LocalObjectReference, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile,
    SecretEnvSource, SecretVolumeSource, SecurityContext, TCPSocketAction, TopologySpreadConstraint, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config::mcp_map;
use super::desired::{Settings, labels};
use super::spec::View;

const HOME: &str = "/home/chatcli";
/// User and group of the server, as in the image.
const ID: i64 = 1000;

/// One volume and where it is mounted.
struct Mounted {
    volume: Volume,
    path: String,
    writable: bool,
}

fn empty(name: &str, path: &str, size: &str) -> Mounted {
    let source =
        EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), ..EmptyDirVolumeSource::default() };
    Mounted {
        volume: Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() },
        path: path.to_owned(),
        writable: true,
    }
}

fn secret(name: &str, secret: &str, path: &str, key: Option<&str>) -> Mounted {
    let items = key.map(|key| vec![KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None }]);
    let source = SecretVolumeSource {
        secret_name: Some(secret.to_owned()),
        items,
        default_mode: Some(0o440),
        ..SecretVolumeSource::default()
    };
    Mounted {
        volume: Volume { name: name.to_owned(), secret: Some(source), ..Volume::default() },
        path: path.to_owned(),
        writable: false,
    }
}

fn config_map(name: &str, map: &str, path: &str) -> Mounted {
    let source = ConfigMapVolumeSource { name: map.to_owned(), ..ConfigMapVolumeSource::default() };
    Mounted {
        volume: Volume { name: name.to_owned(), config_map: Some(source), ..Volume::default() },
        path: path.to_owned(),
        writable: false,
    }
}

fn claim(name: &str, claim: &str, path: &str) -> Mounted {
    let source = PersistentVolumeClaimVolumeSource { claim_name: claim.to_owned(), read_only: None };
    Mounted {
        volume: Volume { name: name.to_owned(), persistent_volume_claim: Some(source), ..Volume::default() },
        path: path.to_owned(),
        writable: true,
    }
}

fn volumes(view: View<'_>) -> Vec<Mounted> {
    let spec = &view.instance.spec;
    let data = format!("{HOME}/.chatcli");
    let token = view.token();
    let mut all = vec![
        empty("tmp", "/tmp", "100Mi"),
        empty("data", &data, "200Mi"),
        secret("token", &token.name, "/etc/chatcli/token", Some(&token.key)),
    ];
    if let Some(jwt) = view.jwt() {
        all.push(secret("jwt", &jwt.name, "/etc/chatcli/jwt", Some(&jwt.key)));
    }
    if let Some(name) = view.tls_secret() {
        all.push(secret("tls", &name, "/etc/chatcli/tls", None));
    }
    if view.watcher().is_some() {
        all.push(config_map("watch-config", &view.named("watch-config"), "/etc/chatcli/watch"));
    }
    let agents = spec.agents.as_ref();
    for (name, map) in [
        ("agents", agents.and_then(|agents| agents.config_map_ref.as_ref())),
        ("skills", agents.and_then(|agents| agents.skills_config_map_ref.as_ref())),
    ] {
        if let Some(map) = map {
            all.push(config_map(name, map, &format!("{data}/{name}")));
        }
    }
    if let Some(map) = mcp_map(view) {
        all.push(config_map("mcp-config", &map, "/etc/chatcli/mcp"));
    }
    if let Some(plugins) = &spec.plugins {
        let path = format!("{data}/plugins");
        match &plugins.pvc_name {
            Some(name) => all.push(claim("plugins", name, &path)),
            None if plugins.image.is_some() => all.push(empty("plugins", &path, "500Mi")),
            None => {}
        }
    }
    all
}

fn arguments(view: View<'_>) -> Vec<String> {
    let spec = &view.instance.spec;
    let mut args: Vec<String> = vec!["--port".to_owned(), view.port().to_string()];
    let mut pair = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    pair("--metrics-port", view.metrics_port().unwrap_or(0).to_string());
    pair("--provider", spec.provider.clone());
    if let Some(model) = &spec.model {
        pair("--model", model.clone());
    }
    if view.tls_secret().is_some() {
        pair("--tls-cert", "/etc/chatcli/tls/tls.crt".to_owned());
        pair("--tls-key", "/etc/chatcli/tls/tls.key".to_owned());
    }
    if view.watcher().is_some() {
        pair("--watch-config", "/etc/chatcli/watch/watch-config.yaml".to_owned());
    }
    args
}

fn env(view: View<'_>) -> Vec<EnvVar> {
    let value = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let field = |name: &str, path: &str| EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { field_path: path.to_owned(), api_version: None }),
            ..EnvVarSource::default()
        }),
    };
    let mut own = vec![
        value("HOME", HOME.to_owned()),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        value("CHATCLI_INSTANCE", view.name().to_owned()),
        value("CHATCLI_SERVER_TOKEN_FILE", format!("/etc/chatcli/token/{}", view.token().key)),
    ];
    if let Some(jwt) = view.jwt() {
        own.push(value("CHATCLI_JWT_SECRET_FILE", format!("/etc/chatcli/jwt/{}", jwt.key)));
    }
    if view.tls_secret().is_some() {
        own.push(value("CHATCLI_TLS_REQUIRED", "true".to_owned()));
    }
    // Who secures the server is not left to a variable of the same name.
    let names: Vec<String> = own.iter().map(|env| env.name.clone()).collect();
    let extra = view.instance.spec.extra_env.iter().filter(|env| env.name == "HOME" || !names.contains(&env.name));
    let extra: Vec<EnvVar> = extra.cloned().collect();
    own.retain(|env| !extra.iter().any(|other| other.name == env.name));
    own.into_iter().chain(extra).collect()
}

fn env_from(view: View<'_>) -> Vec<EnvFromSource> {
    let config = EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource { name: view.name().to_owned(), optional: None }),
        ..EnvFromSource::default()
    };
    let keys = view.instance.spec.api_keys.as_ref().map(|keys| EnvFromSource {
        secret_ref: Some(SecretEnvSource { name: keys.name.clone(), optional: None }),
        ..EnvFromSource::default()
    });
    // The later one wins: an API-key Secret cannot change what the spec says.
    keys.into_iter().chain([config]).collect()
}

/// One probe: by HTTP where the server has a port for it, else whether the port of gRPC takes connections.
fn probe(view: View<'_>, path: &str, given: Option<&InstanceProbe>, default: (i32, i32, i32)) -> Probe {
    let (period, timeout, failures) = default;
    let http = view.metrics_port().map(|_| HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::String("metrics".to_owned()),
        ..HTTPGetAction::default()
    });
    let tcp = TCPSocketAction { port: IntOrString::String("grpc".to_owned()), host: None };
    Probe {
        tcp_socket: http.is_none().then_some(tcp),
        http_get: http,
        period_seconds: Some(given.and_then(|p| p.period_seconds).unwrap_or(period)),
        timeout_seconds: Some(given.and_then(|p| p.timeout_seconds).unwrap_or(timeout)),
        failure_threshold: Some(given.and_then(|p| p.failure_threshold).unwrap_or(failures)),
        initial_delay_seconds: given.and_then(|p| p.initial_delay_seconds),
        ..Probe::default()
    }
}

fn hardened() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}

fn pod_security(view: View<'_>) -> PodSecurityContext {
    view.instance.spec.security_context.clone().unwrap_or_else(|| PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(ID),
        run_as_group: Some(ID),
        // Without it the volume of the sessions and the mounted Secrets belong to root.
        fs_group: Some(ID),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    })
}

fn server(view: View<'_>, mounted: &[Mounted], settings: &Settings) -> Container {
    let spec = &view.instance.spec;
    let port = |name: &str, number: i32| ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mut mounts: Vec<VolumeMount> = mounted
        .iter()
        .map(|m| VolumeMount {
            name: m.volume.name.clone(),
            mount_path: m.path.clone(),
            read_only: (!m.writable).then_some(true),
            ..VolumeMount::default()
        })
        .collect();
    if view.persistence().is_some() {
        let sessions = format!("{HOME}/.chatcli/sessions");
        mounts.push(VolumeMount { name: "sessions".to_owned(), mount_path: sessions, ..VolumeMount::default() });
    }
    let probes = spec.probes.clone().unwrap_or_default();
    Container {
        name: "chatcli".to_owned(),
        image: Some(view.image(settings)),
        image_pull_policy: Some(spec.image.as_ref().map_or("IfNotPresent", |image| &image.pull_policy).to_owned()),
        command: Some(vec!["chatcli".to_owned(), "server".to_owned()]),
        args: Some(arguments(view)),
        env: Some(env(view)),
        env_from: Some(env_from(view)),
        ports: Some(
            [Some(port("grpc", view.port())), view.metrics_port().map(|number| port("metrics", number))]
                .into_iter()
                .flatten()
                .collect(),
        ),
        startup_probe: Some(probe(view, "/healthz", probes.startup.as_ref(), (2, 5, 60))),
        liveness_probe: Some(probe(view, "/healthz", probes.liveness.as_ref(), (20, 5, 3))),
        readiness_probe: Some(probe(view, "/readyz", probes.readiness.as_ref(), (5, 5, 2))),
        resources: spec.resources.clone(),
        security_context: Some(hardened()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// Copies the plugins out of their image. Its own shell does it: what there is to copy is known to that image alone.
fn plugin_loader(view: View<'_>) -> Option<Container> {
    let image = view.instance.spec.plugins.as_ref()?.image.clone()?;
    Some(Container {
        name: "plugin-loader".to_owned(),
        image: Some(image),
        command: Some(["sh", "-c", "cp -R /plugins/. /chatcli-plugins/"].map(str::to_owned).to_vec()),
        security_context: Some(hardened()),
        volume_mounts: Some(vec![VolumeMount {
            name: "plugins".to_owned(),
            mount_path: "/chatcli-plugins".to_owned(),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    })
}

/// Over the nodes, as far as there are any: a single one still runs all of them.
fn spread(view: View<'_>) -> Option<Vec<TopologySpreadConstraint>> {
    let given = view.instance.spec.scheduling.as_ref().map(|s| s.topology_spread_constraints.clone());
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        return Some(given);
    }
    (view.instance.spec.replicas > 1).then(|| {
        vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(LabelSelector { match_labels: Some(labels(view)), match_expressions: None }),
            ..TopologySpreadConstraint::default()
        }]
    })
}

/// The pod. `hashes` are annotations whose change takes new pods.
pub(super) fn template(view: View<'_>, hashes: BTreeMap<String, String>, settings: &Settings) -> PodTemplateSpec {
    let spec = &view.instance.spec;
    let mounted = volumes(view);
    let scheduling = spec.scheduling.clone().unwrap_or_default();
    let pull: Vec<LocalObjectReference> =
        spec.image_pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() }).collect();
    let mut all_labels = spec.pod_labels.clone();
    all_labels.extend(labels(view));
    let mut annotations = spec.pod_annotations.clone();
    annotations.extend(hashes);
    let container = server(view, &mounted, settings);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(view.name().to_owned()),
            // A Service named like a setting of ours would be taken for it.
            enable_service_links: Some(false),
            init_containers: plugin_loader(view).map(|loader| vec![loader]),
            containers: vec![container],
            volumes: Some(mounted.into_iter().map(|m| m.volume).collect()),
            security_context: Some(pod_security(view)),
            image_pull_secrets: Some(pull).filter(|pull| !pull.is_empty()),
            node_selector: Some(scheduling.node_selector).filter(|selector| !selector.is_empty()),
            tolerations: Some(scheduling.tolerations).filter(|tolerations| !tolerations.is_empty()),
            affinity: scheduling.affinity,
            priority_class_name: scheduling.priority_class_name,
            topology_spread_constraints: spread(view),
            // A drain hands over what is under way and lets go of the Lease.
            termination_grace_period_seconds: Some(30),
            ..PodSpec::default()
        }),
    }
}
