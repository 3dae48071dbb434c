//! What is set for a container: variables as its process sees them, and flags of its command line.

use std::collections::HashMap;

use api::shared::ObjectRef;
use k8s_openapi::api::core::v1::{Container, EnvVar};

use super::index::Index;
use super::names;
use crate::graph::query::named;
use crate::graph::{Touch, Workload};

/// A value that variables make longer than this is no address.
const LONGEST: usize = 16 * 1024;

/// Where a text stands.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Object that has it: the workload, or a ConfigMap.
    pub(super) object: ObjectRef,
    /// Path in that object.
    pub(super) path: String,
    /// Who changed the object last.
    pub(super) touched: Option<Touch>,
}

/// A name with a value: a variable, a flag or a property.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) spot: Spot,
}

/// Text without a name: an argument, or a script.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) words: String,
    pub(super) spot: Spot,
    /// Whether it is more than one word.
    pub(super) prose: bool,
}

/// The variables of a container; where one is set twice, the one that counts. Values from Secrets and from fields of the
/// pod are not known and are left out.
pub(super) fn variables(index: &Index, client: &Workload, container: &Container, path: &str) -> Vec<Setting> {
    let mut found = Found::default();
    for source in container.env_from.iter().flatten() {
        let Some(from) = &source.config_map_ref else { continue };
        let Some(map) = index.config_map(&from.name) else { continue };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in map.values.iter() {
            let spot = Spot { object: map.object.clone(), path: format!("data.{key}"), touched: map.touched.clone() };
            found.set(Setting { name: format!("{prefix}{key}"), value: value.clone(), spot });
        }
    }
    for (at, variable) in container.env.iter().flatten().enumerate() {
        match setting(index, client, variable, &format!("{path}.env[{at}]")) {
            Some(mut setting) => {
                setting.value = expand(&setting.value, &found, false);
                found.set(setting);
            }
            // It hides one of the same name, and what it is nobody knows here.
            None => found.forget(&variable.name),
        }
    }
    found.settings.into_iter().flatten().collect()
}

fn setting(index: &Index, client: &Workload, variable: &EnvVar, path: &str) -> Option<Setting> {
    let source = variable.value_from.as_ref();
    if let Some(reference) = source.and_then(|source| source.config_map_key_ref.as_ref()) {
        let map = index.config_map(&reference.name)?;
        let value = map.values.get(&reference.key)?.clone();
        let path = format!("data.{}", reference.key);
        let spot = Spot { object: map.object.clone(), path, touched: map.touched.clone() };
        return Some(Setting { name: variable.name.clone(), value, spot });
    }
    if source.is_some() {
        return None;
    }
    let spot = Spot { object: client.object.clone(), path: format!("{path}.value"), touched: client.touched.clone() };
    Some(Setting { name: variable.name.clone(), value: variable.value.clone()?, spot })
}

/// Flags and other words of the command line of a container. Variables in them are put in.
pub(super) fn command_line(
    client: &Workload,
    container: &Container,
    path: &str,
    variables: &[Setting],
) -> (Vec<Setting>, Vec<Text>) {
    let mut known = Found::default();
    for setting in variables {
        known.set(setting.clone());
    }
    let list = |field: &'static str, words: &Option<Vec<String>>| -> Vec<(String, String)> {
        let words = words.iter().flatten().enumerate();
        words.map(|(at, word)| (format!("{path}.{field}[{at}]"), word.clone())).collect()
    };
    let mut words = list("command", &container.command);
    words.extend(list("args", &container.args));
    let spot =
        |path: &str| Spot { object: client.object.clone(), path: path.to_owned(), touched: client.touched.clone() };
    let (mut flags, mut texts) = (Vec::new(), Vec::new());
    let mut words = words.into_iter().peekable();
    while let Some((path, word)) = words.next() {
        if word.contains(char::is_whitespace) {
            let text = expand(names::head(&word), &known, true);
            texts.push(Text { words: text, spot: spot(&path), prose: true });
            continue;
        }
        let word = expand(&word, &known, false);
        if !word.starts_with("--") {
            texts.push(Text { words: word, spot: spot(&path), prose: false });
        } else if let Some((name, value)) = word.split_once('=') {
            flags.push(Setting { name: name.to_owned(), value: value.to_owned(), spot: spot(&path) });
        } else if let Some((path, value)) =
            words.next_if(|(_, next)| !next.starts_with('-') && !next.contains(char::is_whitespace))
        {
            let value = expand(&value, &known, false);
            flags.push(Setting { name: word, value, spot: spot(&path) });
        }
    }
    (flags, texts)
}

/// Scripts of the probes of a container. Variables in them are put in.
pub(super) fn probes(client: &Workload, container: &Container, path: &str, variables: &[Setting]) -> Vec<Text> {
    let mut known = Found::default();
    for setting in variables {
        known.set(setting.clone());
    }
    let all = [
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    let mut found = Vec::new();
    for (field, probe) in all {
        let command = probe.as_ref().and_then(|probe| probe.exec.as_ref()?.command.as_ref());
        let words: Vec<&str> = command.into_iter().flatten().map(String::as_str).collect();
        if !words.is_empty() {
            let spot = Spot {
                object: client.object.clone(),
                path: format!("{path}.{field}.exec.command"),
                touched: client.touched.clone(),
            };
            let text = words.join(" ");
            found.push(Text { words: expand(names::head(&text), &known, true), spot, prose: true });
        }
    }
    found
}

/// Lines of a file as properties (`name=value`, `name: value`), and the rest as text. Comments are left out.
pub(super) fn file(spot: &Spot, content: &str) -> (Vec<Setting>, Vec<Text>) {
    let (mut properties, mut texts) = (Vec::new(), Vec::new());
    let content = names::head(content);
    // A file may give names of its own to other addresses.
    let own: Vec<&str> = content.lines().filter_map(upstream).collect();
    for line in content.lines().map(str::trim) {
        if line.is_empty() || ["#", "//", ";", "!"].iter().any(|mark| line.starts_with(mark)) {
            continue;
        }
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if names::mentions(line).iter().any(|mention| own.contains(&mention.host.as_str())) {
            continue;
        }
        let halves = directive(line).or_else(|| line.split_once('=')).or_else(|| line.split_once(": "));
        match halves.map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\'']))) {
            Some((name, value)) if plain(name) => {
                properties.push(Setting { name: name.to_owned(), value: value.to_owned(), spot: spot.clone() });
            }
            _ => texts.push(Text { words: line.to_owned(), spot: spot.clone(), prose: true }),
        }
    }
    (properties, texts)
}

/// A line of a name and one value, as servers of the web have them: `proxy_pass http://cart:80;`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_suffix(';')?.split_once(char::is_whitespace)?;
    let value = value.trim();
    let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (word(name) && !value.contains(char::is_whitespace)).then_some((name, value))
}

/// The name in `upstream NAME {`.
fn upstream(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("upstream")?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim().trim_end_matches('{').trim())
}

/// Where a value of a ConfigMap stands that is mounted as a file.
pub(super) fn file_spot(namespace: &str, map: &str, key: &str, touched: Option<Touch>) -> Spot {
    Spot { object: named("v1", "ConfigMap", namespace, map), path: format!("data.{key}"), touched }
}

/// Settings by name, in the order in which they were made.
#[derive(Default)]
struct Found {
    settings: Vec<Option<Setting>>,
    at: HashMap<String, usize>,
}

impl Found {
    fn set(&mut self, setting: Setting) {
        self.forget(&setting.name);
        self.at.insert(setting.name.clone(), self.settings.len());
        self.settings.push(Some(setting));
    }

    fn forget(&mut self, name: &str) {
        if let Some(slot) = self.at.remove(name).and_then(|at| self.settings.get_mut(at)) {
            *slot = None;
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.settings.get(*self.at.get(name)?)?.as_ref().map(|setting| setting.value.as_str())
    }
}

/// A text with variables put in: `$(NAME)` as the kubelet does, and in a script also `$NAME` and `${NAME}`. What is not
/// known stays as it is.
fn expand(text: &str, known: &Found, script: bool) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        done.push_str(before);
        let mut inner = after.get(1..).unwrap_or_default();
        let close = match inner.chars().next() {
            Some('(') => ")",
            Some('{') if script => "}",
            _ => "",
        };
        if !close.is_empty() {
            inner = inner.get(1..).unwrap_or_default();
        }
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || (close == ")" && matches!(c, '.' | '-')));
        let name = inner.split(word).next().unwrap_or_default();
        let tail = inner.get(name.len()..).unwrap_or_default().strip_prefix(close);
        let value = if close.is_empty() && !script { None } else { known.value(name) };
        // What grows beyond all measure is no address.
        if let Some((value, tail)) = value.zip(tail).filter(|(value, _)| done.len() + value.len() < LONGEST) {
            done.push_str(value);
            rest = tail;
        } else {
            done.push('$');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    done.push_str(rest);
    done
}
