//! Pod Security Standards: what the levels `baseline` and `restricted` forbid.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, PodSpec, SecurityContext};

use super::{Breach, Gathered, Limit};
use crate::graph::query::named;
use crate::graph::rules::shape;
use crate::graph::{Finding, Graph};

const LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Capabilities that `baseline` lets a container add.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];
/// Volumes that `restricted` allows.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Workloads whose next pod the level of the namespace refuses.
pub(in crate::graph::rules) fn security(graph: &Graph, _now: Timestamp, out: &mut Vec<Finding>) {
    let labels = graph.cluster.namespaces.get(&graph.namespace);
    let Some(level) = labels.and_then(|labels| labels.get(LABEL)) else { return };
    let restricted = match level.as_str() {
        "baseline" => false,
        "restricted" => true,
        _ => return,
    };
    let pods = shape::pods(graph);
    let mut gathered = Gathered::default();
    let path = format!("metadata.labels[{LABEL}]");
    for workload in shape::starting(graph) {
        let Some(breach) = breach(&workload.spec, restricted) else { continue };
        let limit = Limit {
            object: named("v1", "Namespace", "", &graph.namespace),
            path: &path,
            value: level,
            name: format!("Pod Security {level} of Namespace {}", graph.namespace),
            advice: format!("Set the label {LABEL} of Namespace {} back to a lower level.", graph.namespace),
        };
        let of = shape::of(&pods, &workload.object);
        gathered.add(workload, of, &limit, &breach, out, |pod| self::breach(&pod.spec, restricted).is_some());
    }
    gathered.finish(out);
}

/// The first thing that a level forbids in a pod, with how many more there are.
pub(crate) fn breach(spec: &PodSpec, restricted: bool) -> Option<Breach> {
    let mut found = Vec::new();
    let mut add = |path: String, value: &str, words: String| {
        found.push(Breach { path, value: value.to_owned(), words, more: 0 });
    };
    of_pod(spec, restricted, &mut add);
    let init = spec.init_containers.iter().flatten().enumerate().map(|(at, c)| (format!("initContainers[{at}]"), c));
    let main = spec.containers.iter().enumerate().map(|(at, c)| (format!("containers[{at}]"), c));
    for (base, container) in init.chain(main) {
        of_container(&base, container, &mut add);
        if restricted {
            strict(&base, container, spec, &mut add);
        }
    }
    let more = found.len().saturating_sub(1);
    found.into_iter().next().map(|first| Breach { more, ..first })
}

fn of_pod(spec: &PodSpec, restricted: bool, add: &mut impl FnMut(String, &str, String)) {
    for (field, set) in [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)] {
        if set == Some(true) {
            add(field.into(), "true", format!("{field} is true, which is not allowed"));
        }
    }
    let context = spec.security_context.as_ref();
    for (at, sysctl) in context.iter().flat_map(|c| c.sysctls.iter().flatten()).enumerate() {
        if !SYSCTLS.contains(&sysctl.name.as_str()) {
            let words = format!("sysctl {} is not allowed", sysctl.name);
            add(format!("securityContext.sysctls[{at}].name"), &sysctl.name, words);
        }
    }
    if context.and_then(|c| c.seccomp_profile.as_ref()).is_some_and(|p| p.type_ == "Unconfined") {
        let words = "seccompProfile Unconfined is not allowed".to_owned();
        add("securityContext.seccompProfile.type".into(), "Unconfined", words);
    }
    if restricted && context.and_then(|c| c.run_as_user) == Some(0) {
        add("securityContext.runAsUser".into(), "0", "runAsUser is 0, which is not allowed".into());
    }
    for (at, volume) in spec.volumes.iter().flatten().enumerate() {
        if volume.host_path.is_some() {
            let words = format!("volume {} is a hostPath, which is not allowed", volume.name);
            add(format!("volumes[{at}].hostPath"), &volume.name, words);
        } else if restricted
            && let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(volume)
            && let Some(kind) = fields.keys().find(|key| *key != "name" && !VOLUMES.contains(&key.as_str()))
        {
            let words = format!("volume {} is of type {kind}, which is not allowed", volume.name);
            add(format!("volumes[{at}].{kind}"), &volume.name, words);
        }
    }
}

fn of_container(base: &str, container: &Container, add: &mut impl FnMut(String, &str, String)) {
    let name = &container.name;
    for (at, port) in container.ports.iter().flatten().enumerate() {
        if let Some(number) = port.host_port.filter(|number| *number != 0) {
            let words = format!("container {name} uses hostPort {number}, which is not allowed");
            add(format!("{base}.ports[{at}].hostPort"), &number.to_string(), words);
        }
    }
    let Some(context) = &container.security_context else { return };
    let base = format!("{base}.securityContext");
    if context.privileged == Some(true) {
        add(format!("{base}.privileged"), "true", format!("container {name} is privileged, which is not allowed"));
    }
    for capability in context.capabilities.iter().flat_map(|c| c.add.iter().flatten()) {
        if !CAPABILITIES.contains(&capability.as_str()) {
            let words = format!("container {name} adds capability {capability}, which is not allowed");
            add(format!("{base}.capabilities.add"), capability, words);
        }
    }
    if let Some(mount) = context.proc_mount.as_deref().filter(|mount| !mount.is_empty() && *mount != "Default") {
        add(
            format!("{base}.procMount"),
            mount,
            format!("container {name} has procMount {mount}, which is not allowed"),
        );
    }
    if context.seccomp_profile.as_ref().is_some_and(|p| p.type_ == "Unconfined") {
        let words = format!("container {name} has seccompProfile Unconfined, which is not allowed");
        add(format!("{base}.seccompProfile.type"), "Unconfined", words);
    }
    if context.app_armor_profile.as_ref().is_some_and(|p| p.type_ == "Unconfined") {
        let words = format!("container {name} has appArmorProfile Unconfined, which is not allowed");
        add(format!("{base}.appArmorProfile.type"), "Unconfined", words);
    }
}

fn strict(base: &str, container: &Container, spec: &PodSpec, add: &mut impl FnMut(String, &str, String)) {
    let (name, none, whole) = (&container.name, SecurityContext::default(), spec.security_context.as_ref());
    let own = container.security_context.as_ref().unwrap_or(&none);
    let base = format!("{base}.securityContext");
    let windows = spec.os.as_ref().is_some_and(|os| os.name == "windows");
    if !windows && own.allow_privilege_escalation != Some(false) {
        let words = format!("container {name} must set allowPrivilegeEscalation to false");
        add(format!("{base}.allowPrivilegeEscalation"), &told(own.allow_privilege_escalation), words);
    }
    let capabilities = own.capabilities.as_ref();
    if !windows && !capabilities.iter().flat_map(|c| c.drop.iter().flatten()).any(|dropped| dropped == "ALL") {
        let words = format!("container {name} must drop capability ALL");
        add(format!("{base}.capabilities.drop"), "(not ALL)", words);
    }
    // Whatever baseline forbids has been named already.
    let allowed =
        |capability: &&String| *capability != "NET_BIND_SERVICE" && CAPABILITIES.contains(&capability.as_str());
    if let Some(capability) =
        capabilities.iter().flat_map(|c| c.add.iter().flatten()).find(allowed).filter(|_| !windows)
    {
        let words = format!("container {name} adds capability {capability}, which is not allowed");
        add(format!("{base}.capabilities.add"), capability, words);
    }
    if own.run_as_non_root.or(whole.and_then(|c| c.run_as_non_root)) != Some(true) {
        let words = format!("container {name} must set runAsNonRoot to true");
        add(format!("{base}.runAsNonRoot"), &told(own.run_as_non_root), words);
    }
    if own.run_as_user == Some(0) {
        add(format!("{base}.runAsUser"), "0", format!("container {name} has runAsUser 0, which is not allowed"));
    }
    let profile = own.seccomp_profile.as_ref().or(whole.and_then(|c| c.seccomp_profile.as_ref()));
    if !windows && profile.is_none() {
        let words = format!("container {name} must set seccompProfile to RuntimeDefault or Localhost");
        add(format!("{base}.seccompProfile.type"), "(absent)", words);
    }
}

fn told(value: Option<bool>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), |value| value.to_string())
}
