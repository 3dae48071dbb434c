//! Files that are missing, may not be used, or have no room.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use super::{Link, Place, Told};
use crate::graph::nearest;

/// Name and kind of what a volume takes its files from.
fn source(volume: &Volume) -> Option<(&'static str, &str, &'static str)> {
    let map = volume.config_map.as_ref().map(|source| ("ConfigMap", source.name.as_str(), "configMap"));
    map.or_else(|| Some(("Secret", volume.secret.as_ref()?.secret_name.as_deref()?, "secret")))
}

/// Key of a ConfigMap or Secret that a file of a mount comes from.
fn key<'a>(mount: &'a VolumeMount, file: &'a str) -> &'a str {
    let below = file.strip_prefix(mount.mount_path.trim_end_matches('/')).unwrap_or_default().trim_start_matches('/');
    mount.sub_path.as_deref().filter(|_| below.is_empty()).unwrap_or(below)
}

/// Where the token of the ServiceAccount is mounted.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The token of the ServiceAccount is not mounted: the pod says so, or its ServiceAccount does.
fn account(place: &Place<'_>, file: &str) -> Link {
    let off = place.spec.automount_service_account_token == Some(false);
    let path = format!("{}.automountServiceAccountToken", place.prefix);
    let clause = if off {
        format!("it opens {file}, but automountServiceAccountToken is false")
    } else {
        let account = place.spec.service_account_name.as_deref().unwrap_or("default");
        format!("it opens {file}, but the token of ServiceAccount {account} is not mounted")
    };
    place.link(CauseClass::BadConfiguration, path, off.then_some("false"), clause, if off { 0.95 } else { 0.8 })
}

pub(super) fn missing(place: &Place<'_>, told: &Told) -> Option<Link> {
    let file = told.path.as_deref()?;
    if file.starts_with(ACCOUNT) {
        return Some(account(place, file));
    }
    if let Some((index, mount)) = place.mount(file)
        && let Some((position, volume)) = place.volume(&mount.name)
    {
        return in_volume(place, file, (index, mount), (position, volume));
    }
    let folder = file.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| folder.len() > 1);
    let mounts: Vec<&str> = place.container.volume_mounts.iter().flatten().map(|m| m.mount_path.as_str()).collect();
    let near = folder.and_then(|folder| nearest(folder, mounts.iter().copied()));
    if let Some(setting) = place.naming(file) {
        let meant = near.map(|near| format!("; a volume is mounted at {near}")).unwrap_or_default();
        let clause = format!("{} names {file}, which does not exist{meant}", setting.what);
        return Some(place.link_setting(CauseClass::BadConfiguration, &setting, clause, 0.8));
    }
    let near = near?;
    let index = mounts.iter().position(|path| *path == near)?;
    let path = format!("{}.volumeMounts[{index}].mountPath", place.path);
    let clause = format!("it opens {file}, but its volume is mounted at {near}");
    Some(place.link(CauseClass::BadConfiguration, path, Some(near), clause, 0.8))
}

fn in_volume(
    place: &Place<'_>,
    file: &str,
    (index, mount): (usize, &VolumeMount),
    (position, volume): (usize, &Volume),
) -> Option<Link> {
    let wanted = key(mount, file);
    let volumes = format!("{}.volumes[{position}]", place.prefix);
    let Some((kind, name, field)) = source(volume) else {
        let clause = format!("it opens {file}, which is not on volume {}", volume.name);
        return Some(place.link(CauseClass::BadConfiguration, volumes, Some(&volume.name), clause, 0.6));
    };
    let items = volume.config_map.as_ref().and_then(|source| source.items.as_ref());
    let items = items.or_else(|| volume.secret.as_ref().and_then(|source| source.items.as_ref()));
    if let Some(items) = items.filter(|items| !items.is_empty() && mount.sub_path.is_none()) {
        let paths: Vec<&str> = items.iter().map(|item| item.path.as_str()).collect();
        if !paths.contains(&wanted) {
            let has = paths.join(", ");
            let clause = format!("it opens {file}, but volume {} takes only {has} from {kind} {name}", volume.name);
            let path = format!("{volumes}.{field}.items");
            return Some(place.link(CauseClass::BadConfiguration, path, Some(&has), clause, 0.9));
        }
    }
    if let Some(sub) = mount.sub_path_expr.as_ref() {
        let path = format!("{}.volumeMounts[{index}].subPathExpr", place.path);
        let clause = format!("it opens {file}, which subPathExpr {sub} does not lead to");
        return Some(place.link(CauseClass::BadConfiguration, path, Some(sub), clause, 0.7));
    }
    let data = (kind == "ConfigMap").then(|| place.map(name).and_then(|map| map.data.as_ref())).flatten();
    if data.is_some_and(|data| data.contains_key(wanted)) {
        return None;
    }
    let meant = data.and_then(|data| nearest(wanted, data.keys().map(String::as_str)));
    let meant = meant.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let clause = if wanted.is_empty() {
        format!("it opens {file}, which {kind} {name} does not give as a file")
    } else {
        format!("it opens {file}, but {kind} {name} has no key {wanted}{meant}")
    };
    let object = place.named(kind, name);
    let path = format!("data[{wanted}]");
    let link = place.link(CauseClass::BadConfiguration, path, None, clause, if data.is_some() { 0.9 } else { 0.7 });
    let proof = vec![super::fact(
        &object,
        link.path.as_deref().unwrap_or("data"),
        "(absent)",
        "the file would come from this key",
    )];
    Some(Link { advice: format!("Add the key to {kind} {name}, or correct the file's name."), object, proof, ..link })
}

/// Whether a volume can be written by its nature.
fn always_read_only(volume: &Volume) -> Option<String> {
    source(volume).map(|(kind, name, _)| format!("{kind} {name}"))
}

pub(super) fn read_only(place: &Place<'_>, told: &Told) -> Option<Link> {
    let file = told.path.as_deref();
    if let Some((index, mount)) = file.and_then(|file| place.mount(file)) {
        let file = file.unwrap_or_default();
        if let Some(from) = place.volume(&mount.name).and_then(|(_, volume)| always_read_only(volume)) {
            let clause = format!("it writes {file}, but that volume comes from {from} and is always read-only");
            let path = format!("{}.volumeMounts[{index}]", place.path);
            return Some(place.link(CauseClass::BadConfiguration, path, Some(&mount.mount_path), clause, 0.9));
        }
        let path = format!("{}.volumeMounts[{index}].readOnly", place.path);
        let set = mount.read_only == Some(true);
        let clause =
            format!("it writes {file}, but volume {} is mounted read-only at {}", mount.name, mount.mount_path);
        return Some(place.link(
            CauseClass::BadConfiguration,
            path,
            set.then_some("true"),
            clause,
            if set { 0.95 } else { 0.7 },
        ));
    }
    let root = place.container.security_context.as_ref().and_then(|context| context.read_only_root_filesystem);
    if root != Some(true) {
        return None;
    }
    let clause = match file {
        Some(file) => format!("it writes {file}, but its root file system is read-only and no volume is mounted there"),
        None => "it writes to its root file system, which is read-only".to_owned(),
    };
    let path = format!("{}.securityContext.readOnlyRootFilesystem", place.path);
    Some(place.link(CauseClass::BadConfiguration, path, Some("true"), clause, 0.95))
}

pub(super) fn denied(place: &Place<'_>, told: &Told) -> Option<Link> {
    let file = told.path.as_deref()?;
    let user = place.user().filter(|(user, _)| *user != 0);
    let who = user.as_ref().map_or_else(|| "its user".to_owned(), |(user, _)| format!("user {user}"));
    if let Some((_, mount)) = place.mount(file)
        && let Some((position, volume)) = place.volume(&mount.name)
    {
        let volumes = format!("{}.volumes[{position}]", place.prefix);
        let mode = volume.config_map.as_ref().and_then(|source| source.default_mode);
        let mode = mode.map(|mode| (mode, "configMap"));
        let mode = mode.or_else(|| Some((volume.secret.as_ref()?.default_mode?, "secret")));
        if let Some((mode, field)) = mode {
            let clause = format!("{who} may not read {file}: its volume has defaultMode {mode:o}");
            let path = format!("{volumes}.{field}.defaultMode");
            return Some(place.link(CauseClass::BadConfiguration, path, Some(&mode.to_string()), clause, 0.85));
        }
        let group = place.spec.security_context.as_ref().and_then(|context| context.fs_group);
        if source(volume).is_none() && group.is_none() {
            let clause =
                format!("{who} may not use {file} on volume {}, and securityContext.fsGroup is not set", volume.name);
            let path = format!("{}.securityContext.fsGroup", place.prefix);
            return Some(place.link(CauseClass::PermissionDenied, path, None, clause, 0.75));
        }
    }
    let (user, path) = user?;
    let clause = format!("user {user}, as which it runs, may not use {file}");
    Some(place.link(CauseClass::PermissionDenied, path, Some(&user.to_string()), clause, 0.8))
}

pub(super) fn full(place: &Place<'_>, told: &Told) -> Option<Link> {
    let mount = told.path.as_deref().and_then(|file| place.mount(file)).map(|(_, mount)| mount);
    // Without a file the only volume that has an end of its own is meant.
    let limited = |mount: &&VolumeMount| {
        let volume = place.volume(&mount.name).map(|(_, volume)| volume);
        volume.is_some_and(|v| v.empty_dir.as_ref().is_some_and(|dir| dir.size_limit.is_some()))
    };
    let mut others = place.container.volume_mounts.iter().flatten().filter(limited);
    let only = others.next().filter(|_| others.next().is_none() && told.path.is_none());
    let Some((position, volume)) = mount.or(only).and_then(|mount| place.volume(&mount.name)) else {
        let limit = place.container.resources.as_ref().and_then(|r| r.limits.as_ref()?.get("ephemeral-storage"));
        let limit = limit.map(|limit| limit.0.clone())?;
        let path = format!("{}.resources.limits.ephemeral-storage", place.path);
        let clause = format!("it has filled its {limit} of ephemeral storage");
        return Some(place.link(CauseClass::StorageUnavailable, path, Some(&limit), clause, 0.6));
    };
    if let Some(claim) = &volume.persistent_volume_claim {
        let name = &claim.claim_name;
        let object = place.named("PersistentVolumeClaim", name);
        let clause = format!("volume {} (PersistentVolumeClaim {name}) has no space left", volume.name);
        let path = "spec.resources.requests.storage".to_owned();
        let link = place.link(CauseClass::StorageUnavailable, path, None, clause, 0.9);
        return Some(Link {
            advice: format!("Free space on {name}, or let it grow."),
            proof: Vec::new(),
            object,
            ..link
        });
    }
    let limit = volume.empty_dir.as_ref().and_then(|dir| dir.size_limit.as_ref()).map(|limit| limit.0.clone());
    let clause = match &limit {
        Some(limit) => format!("volume {} has no space left of its sizeLimit of {limit}", volume.name),
        None => format!("volume {} has no space left", volume.name),
    };
    let path = format!(
        "{}.volumes[{position}].{}",
        place.prefix,
        if limit.is_some() { "emptyDir.sizeLimit" } else { "emptyDir" }
    );
    Some(place.link(
        CauseClass::StorageUnavailable,
        path,
        limit.as_deref(),
        clause,
        if limit.is_some() { 0.9 } else { 0.7 },
    ))
}
