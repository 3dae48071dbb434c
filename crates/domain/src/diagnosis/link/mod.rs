//! From what a log line tells to the field of the spec that it is about: `network` for connections, `loopback` for those
//! within the pod, `files` for paths, `settings` for variables, values and flags, `rights` for what the API server refuses,
//! `system` for ports and memory.
//!
//! A link says what is wrong in half a sentence; who shows it, and how, is said by whoever asks.

mod files;
mod loopback;
mod network;
mod rights;
mod settings;
mod system;

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef, Proof};
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume, VolumeMount};

pub(super) use system::{architecture, heap_option};

use super::diff::{is_secret, masked};
use super::log::{Entry, Family, Told, names};
use super::{ConfigHistory, Evidence, fact};

/// A field that explains a log line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) object: ObjectRef,
    pub(super) path: Option<String>,
    pub(super) value: Option<String>,
    pub(super) class: CauseClass,
    /// What is wrong, after "Container web of Deployment web crashes: ".
    pub(super) clause: String,
    pub(super) sure: f64,
    pub(super) proof: Vec<Proof>,
    pub(super) advice: String,
}

/// The container whose log is read, and where it stands in the spec.
pub(super) struct Place<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) spec: &'a PodSpec,
    pub(super) container: &'a Container,
    /// Path of the pod spec, such as `spec.template.spec`.
    pub(super) prefix: &'static str,
    /// Path of the container.
    pub(super) path: String,
}

/// A value that a container is given.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    /// In words: `env DB_HOST`, `args[1]`, `key host of ConfigMap db`.
    pub(super) what: String,
    pub(super) object: ObjectRef,
    pub(super) path: String,
    pub(super) value: &'a str,
}

/// What a log line leads to.
pub(super) fn of(evidence: &Evidence, entry: &Entry) -> Option<Link> {
    let place = Place::of(evidence)?;
    let Some(told) = entry.told.as_ref() else { return mentioned(&place, entry) };
    let link = match told.family? {
        family if family.is_connection() => network::link(&place, family, told),
        Family::FileMissing => files::missing(&place, told),
        Family::FileDenied => files::denied(&place, told),
        Family::ReadOnly => files::read_only(&place, told),
        Family::DiskFull => files::full(&place, told),
        Family::VariableMissing => settings::variable(&place, told),
        Family::SettingMissing => settings::setting(&place, told),
        Family::Invalid => settings::invalid(&place, told),
        Family::FlagUnknown => settings::flag(&place, told),
        Family::PortTaken => system::port_taken(&place, told),
        Family::PortDenied => Some(system::port_denied(&place, told)),
        Family::Forbidden => rights::forbidden(&place, told),
        Family::OutOfMemory => system::heap(&place),
        Family::ExecFormat => system::architecture(&place),
        Family::CommandMissing => super::start::command_missing(&place, told.name.as_deref()?),
        _ => None,
    };
    link.or_else(|| mentioned(&place, entry)).or_else(|| unlinked(&place, told))
}

/// A variable that an entry speaks of by its name, or by a value that no other word is like.
fn mentioned(place: &Place<'_>, entry: &Entry) -> Option<Link> {
    /// Shorter words are in many lines.
    const WORD: usize = 4;
    let own = |value: &str| {
        let value = value.trim();
        let common = ["true", "false", "info", "debug", "error", "none", "null", "prod", "production", "default"];
        value.len() >= WORD && !common.contains(&value) && value.chars().any(char::is_alphabetic)
    };
    let settings = place.settings();
    let name = |setting: &&Setting<'_>| {
        let name = setting.path.split_once('[').and_then(|_| setting.path.rsplit('[').next()?.split(']').next());
        let variable = setting.path.contains(".env[") || setting.path.starts_with("data[");
        variable && name.is_some_and(|name| name.len() >= WORD && entry.mentions(name))
    };
    if let Some(setting) = settings.iter().find(name) {
        let clause = format!("its last words are about {}", setting.what.trim_end_matches(','));
        return Some(place.link_setting(CauseClass::BadConfiguration, setting, clause, 0.7));
    }
    let script = |setting: &Setting<'_>| setting.path.contains(".command[") || setting.value.len() > 100;
    let said =
        |setting: &&Setting<'_>| !script(setting) && own(setting.value) && names(&entry.text, setting.value.trim());
    let setting = settings.iter().find(said)?;
    let clause = format!(
        "its last words are about {:?}, which {} gives it",
        setting.value.trim(),
        setting.what.trim_end_matches(',')
    );
    Some(place.link_setting(CauseClass::BadConfiguration, setting, clause, 0.55))
}

/// A kind of trouble that is known, with nothing in the spec that it is about.
fn unlinked(place: &Place<'_>, told: &Told) -> Option<Link> {
    let (class, clause) = match told.family? {
        Family::Refused => {
            (CauseClass::DependencyUnavailable, format!("{} refuses connections", network::target(told)?))
        }
        Family::Timeout => (CauseClass::DependencyUnavailable, format!("{} does not answer", network::target(told)?)),
        Family::Dns => (CauseClass::DependencyUnavailable, format!("host {} cannot be resolved", told.host.as_ref()?)),
        Family::FileMissing => (CauseClass::ApplicationCrash, format!("file {} does not exist", told.path.as_ref()?)),
        Family::FileDenied => (CauseClass::PermissionDenied, format!("it may not use {}", told.path.as_ref()?)),
        Family::PortTaken => (CauseClass::ApplicationCrash, format!("it cannot bind port {}", told.port?)),
        Family::OutOfMemory => (CauseClass::OutOfMemory, "the process had no memory left".to_owned()),
        _ => return None,
    };
    Some(Link {
        object: place.evidence.culprit().clone(),
        path: Some(place.path.clone()),
        value: None,
        class,
        clause,
        sure: 0.55,
        proof: Vec::new(),
        advice: "Nothing in the spec names what the log speaks of; look for it in the image.".into(),
    })
}

impl<'a> Place<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Option<Self> {
        let (spec, prefix) = evidence.spec()?;
        let container = evidence.container_spec()?;
        let path = evidence.container_path(&container.name)?;
        Some(Self { evidence, spec, container, prefix, path })
    }

    /// A link to a field of the workload.
    pub(super) fn link(&self, class: CauseClass, path: String, value: Option<&str>, clause: String, sure: f64) -> Link {
        let object = self.evidence.culprit().clone();
        let shown = value.unwrap_or("(absent)");
        let proof = vec![fact(&object, &path, shown, "the container is made from this")];
        Link {
            object,
            value: value.map(str::to_owned),
            class,
            clause,
            sure,
            proof,
            advice: format!("Correct {path} of {}.", self.evidence.who()),
            path: Some(path),
        }
    }

    /// A link to a value that the container is given.
    pub(super) fn link_setting(&self, class: CauseClass, setting: &Setting<'_>, clause: String, sure: f64) -> Link {
        let secret = self.container.env.iter().flatten().any(|variable| {
            is_secret(&variable.name) && setting.path.ends_with(&format!(".env[{}].value", variable.name))
        });
        let value = if secret { "(hidden)".to_owned() } else { masked(setting.value) };
        Link {
            proof: vec![fact(&setting.object, &setting.path, &value, "the container is given this value")],
            object: setting.object.clone(),
            path: Some(setting.path.clone()),
            value: Some(value).filter(|_| !secret),
            class,
            clause,
            sure,
            advice: format!("Correct {} of {} {}.", setting.path, setting.object.kind, setting.object.name),
        }
    }

    /// A ConfigMap that was read.
    pub(super) fn map(&self, name: &str) -> Option<&'a ConfigHistory> {
        self.evidence.config_maps.iter().find(|map| map.name == name)
    }

    pub(super) fn named(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: Some("v1".into()),
            kind: kind.into(),
            namespace: self.evidence.view.workload.namespace.clone(),
            name: name.into(),
            uid: (kind == "ConfigMap").then(|| self.map(name).and_then(|map| map.uid.clone())).flatten(),
        }
    }

    /// All values that the container is given, the most direct first.
    pub(super) fn settings(&self) -> Vec<Setting<'a>> {
        let own = |what: String, path: String, value: &'a str| Setting {
            what,
            object: self.evidence.culprit().clone(),
            path,
            value,
        };
        let mut found = Vec::new();
        for variable in self.container.env.iter().flatten() {
            if let Some(value) = &variable.value {
                let path = format!("{}.env[{}].value", self.path, variable.name);
                found.push(own(format!("env {}", variable.name), path, value));
            }
            let key = variable.value_from.as_ref().and_then(|source| source.config_map_key_ref.as_ref());
            if let Some(key) = key
                && let Some(map) = self.map(&key.name)
                && let Some(value) = map.data.as_ref().and_then(|data| data.get(&key.key))
            {
                found.push(self.of_map(map, &key.key, value, Some(&variable.name)));
            }
        }
        for source in self.container.env_from.iter().flatten().filter_map(|from| from.config_map_ref.as_ref()) {
            let Some(map) = self.map(&source.name) else { continue };
            found.extend(map.data.iter().flatten().map(|(key, value)| self.of_map(map, key, value, None)));
        }
        for (list, words) in [("args", &self.container.args), ("command", &self.container.command)] {
            for (index, word) in words.iter().flatten().enumerate() {
                found.push(own(format!("{list}[{index}]"), format!("{}.{list}[{index}]", self.path), word));
            }
        }
        for mount in self.container.volume_mounts.iter().flatten() {
            let source = self.volume(&mount.name).and_then(|(_, volume)| volume.config_map.as_ref());
            let Some(map) = source.and_then(|source| self.map(&source.name)) else { continue };
            found.extend(map.data.iter().flatten().map(|(key, value)| self.of_map(map, key, value, None)));
        }
        found
    }

    fn of_map(&self, map: &'a ConfigHistory, key: &str, value: &'a str, variable: Option<&str>) -> Setting<'a> {
        let from = format!("key {key} of ConfigMap {}", map.name);
        Setting {
            what: variable.map_or_else(|| from.clone(), |name| format!("{from}, which is env {name},")),
            object: self.named("ConfigMap", &map.name),
            path: format!("data[{key}]"),
            value,
        }
    }

    /// The first setting that names a host, a file or a value.
    pub(super) fn naming(&self, word: &str) -> Option<Setting<'a>> {
        let settings = self.settings();
        let exact = settings.iter().find(|setting| setting.value.trim() == word);
        exact.or_else(|| settings.iter().find(|setting| names(setting.value, word))).cloned()
    }

    /// A volume of the pod and its position.
    pub(super) fn volume(&self, name: &str) -> Option<(usize, &'a Volume)> {
        self.spec.volumes.iter().flatten().enumerate().find(|(_, volume)| volume.name == name)
    }

    /// The mount that a file lies in, with its position: the one with the longest path.
    pub(super) fn mount(&self, file: &str) -> Option<(usize, &'a VolumeMount)> {
        let inside = |mount: &VolumeMount| {
            let path = mount.mount_path.trim_end_matches('/');
            file == path || file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        let mounts = self.container.volume_mounts.iter().flatten().enumerate();
        mounts.filter(|(_, mount)| inside(mount)).max_by_key(|(_, mount)| mount.mount_path.len())
    }

    /// Names of the variables that the container is given, with those of whole ConfigMaps.
    pub(super) fn variables(&self) -> BTreeMap<String, Option<&'a str>> {
        let mut found: BTreeMap<String, Option<&str>> = BTreeMap::new();
        for source in self.container.env_from.iter().flatten() {
            let Some(map) = source.config_map_ref.as_ref().and_then(|reference| self.map(&reference.name)) else {
                continue;
            };
            let prefix = source.prefix.as_deref().unwrap_or_default();
            found
                .extend(map.data.iter().flatten().map(|(key, value)| (format!("{prefix}{key}"), Some(value.as_str()))));
        }
        for variable in self.container.env.iter().flatten() {
            found.insert(variable.name.clone(), variable.value.as_deref());
        }
        found
    }

    /// User that the container runs as, where the spec says so, with its path.
    pub(super) fn user(&self) -> Option<(i64, String)> {
        let own = self.container.security_context.as_ref().and_then(|context| context.run_as_user);
        let of_pod = self.spec.security_context.as_ref().and_then(|context| context.run_as_user);
        own.map(|user| (user, format!("{}.securityContext.runAsUser", self.path)))
            .or_else(|| of_pod.map(|user| (user, format!("{}.securityContext.runAsUser", self.prefix))))
    }
}
