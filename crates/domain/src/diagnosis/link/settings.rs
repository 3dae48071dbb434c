//! Variables that are not set, values that cannot be used, flags that are not known.

use api::shared::CauseClass;

use super::{Link, Place, Told};
use crate::graph::nearest;

pub(super) fn variable(place: &Place<'_>, told: &Told) -> Option<Link> {
    let name = told.name.as_deref()?;
    if let Some(link) = given(place, name) {
        return Some(link);
    }
    let set = place.variables();
    let meant = nearest(name, set.keys().map(String::as_str));
    let path = format!("{}.env[{name}]", place.path);
    // The key of a ConfigMap that the container takes all its variables from may be the one that is misspelt.
    if let Some(near) = meant
        && let Some(from) = whole_map(place, near)
    {
        let clause = format!("env {name} is not set; ConfigMap {from} has key {near}, did you mean {name}?");
        let mut link = place.link(CauseClass::BadConfiguration, format!("data[{near}]"), Some(near), clause, 0.85);
        link.object = place.named("ConfigMap", &from);
        link.proof = vec![super::fact(
            &link.object,
            &format!("data[{near}]"),
            near,
            "the container takes its variables from here",
        )];
        return Some(link);
    }
    let other = place
        .spec
        .containers
        .iter()
        .filter(|container| container.name != place.container.name)
        .find(|container| container.env.iter().flatten().any(|variable| variable.name == name));
    let hint = match (meant, other) {
        (Some(near), _) => format!("; env {near} is, did you mean {name}?"),
        (None, Some(other)) => format!("; only container {} has it", other.name),
        (None, None) => String::new(),
    };
    let clause = format!("env {name} is not set{hint}");
    let mut link = place.link(CauseClass::BadConfiguration, path, None, clause, 0.9);
    link.advice = format!("Set env {name} in container {} of {}.", place.container.name, place.evidence.who());
    Some(link)
}

/// A variable that is given all the same, so that its value or its source is wrong.
fn given(place: &Place<'_>, name: &str) -> Option<Link> {
    let variable = place.container.env.iter().flatten().find(|variable| variable.name == name)?;
    let path = format!("{}.env[{name}]", place.path);
    let Some(source) = &variable.value_from else {
        let empty = variable.value.as_deref().unwrap_or_default().trim().is_empty();
        let clause = if empty {
            format!("env {name} is empty")
        } else {
            format!("env {name} has a value that it does not accept")
        };
        let value = variable.value.as_deref().unwrap_or_default();
        return Some(place.link(
            CauseClass::BadConfiguration,
            format!("{path}.value"),
            Some(value),
            clause,
            if empty { 0.9 } else { 0.7 },
        ));
    };
    let map = source
        .config_map_key_ref
        .as_ref()
        .map(|key| ("ConfigMap", &key.name, &key.key, key.optional, "configMapKeyRef"));
    let secret =
        source.secret_key_ref.as_ref().map(|key| ("Secret", &key.name, &key.key, key.optional, "secretKeyRef"));
    let (kind, object, key, optional, field) = map.or(secret)?;
    let optional = if optional == Some(true) { "optional " } else { "" };
    let clause = format!("env {name} is empty: it comes from {optional}key {key} of {kind} {object}");
    let path = format!("{path}.valueFrom.{field}");
    Some(place.link(CauseClass::BadConfiguration, path, Some(object), clause, 0.8))
}

/// The ConfigMap that gives the container this variable as one of all its keys.
fn whole_map(place: &Place<'_>, key: &str) -> Option<String> {
    let sources = place.container.env_from.iter().flatten().filter_map(|from| from.config_map_ref.as_ref());
    let has = |name: &str| place.map(name).and_then(|map| map.data.as_ref()).is_some_and(|data| data.contains_key(key));
    sources.map(|source| source.name.clone()).find(|name| has(name))
}

pub(super) fn setting(place: &Place<'_>, told: &Told) -> Option<Link> {
    let name = told.name.as_deref()?;
    // Frameworks take `db.url` from env DB_URL.
    let variable = name.to_ascii_uppercase().replace(['.', '-'], "_");
    let set = place.variables();
    if set.contains_key(&variable) && given(place, &variable).is_none() {
        return None;
    }
    let meant = nearest(&variable, set.keys().map(String::as_str));
    let hint = meant.map(|near| format!("; env {near} is set, did you mean {variable}?")).unwrap_or_default();
    let clause = format!("setting {name} is not given (env {variable}){hint}");
    let sure = if meant.is_some() { 0.85 } else { 0.65 };
    Some(place.link(CauseClass::BadConfiguration, format!("{}.env[{variable}]", place.path), None, clause, sure))
}

pub(super) fn invalid(place: &Place<'_>, told: &Told) -> Option<Link> {
    let settings = place.settings();
    // A variable that is named, then a value that stands in one place only, then a file that comes from a ConfigMap.
    let by_name = told.name.as_ref().and_then(|name| {
        let end = format!(".env[{name}].value");
        let key = format!("data[{name}]");
        settings.iter().find(|setting| setting.path.ends_with(&end) || setting.path == key)
    });
    let by_value = told.value.as_ref().filter(|value| !value.trim().is_empty()).and_then(|value| {
        let exact = settings.iter().find(|setting| setting.value.trim() == value.trim());
        exact.or_else(|| {
            settings
                .iter()
                .find(|setting| value.len() > 3 && setting.value.len() < 300 && setting.value.contains(value.as_str()))
        })
    });
    if let Some(setting) = by_name.or(by_value) {
        let shown: String = setting.value.chars().take(80).collect();
        let clause = format!("{} is {shown:?}, which it cannot use", setting.what);
        return Some(place.link_setting(CauseClass::BadConfiguration, setting, clause, 0.9));
    }
    let file = told.path.as_deref()?;
    let (_, mount) = place.mount(file)?;
    let (position, volume) = place.volume(&mount.name)?;
    let at = told.line.map(|line| format!(" in line {line}")).unwrap_or_default();
    if let Some(source) = &volume.config_map {
        let below =
            file.strip_prefix(mount.mount_path.trim_end_matches('/')).unwrap_or_default().trim_start_matches('/');
        let key = mount.sub_path.as_deref().filter(|_| below.is_empty()).unwrap_or(below);
        let items = source.items.iter().flatten().find(|item| item.path == key).map(|item| item.key.as_str());
        let key = items.unwrap_or(key);
        let clause = format!("key {key} of ConfigMap {}, its file {file}, has a mistake{at}", source.name);
        let mut link = place.link(CauseClass::BadConfiguration, format!("data[{key}]"), None, clause, 0.9);
        link.object = place.named("ConfigMap", &source.name);
        link.proof = vec![super::fact(&link.object, &format!("data[{key}]"), file, "the file comes from this key")];
        link.advice = format!("Correct {key} in ConfigMap {}.", source.name);
        return Some(link);
    }
    let clause = format!("file {file} has a mistake{at}; it comes from volume {}", volume.name);
    Some(place.link(
        CauseClass::BadConfiguration,
        format!("{}.volumes[{position}]", place.prefix),
        Some(&volume.name),
        clause,
        0.7,
    ))
}

pub(super) fn flag(place: &Place<'_>, told: &Told) -> Option<Link> {
    let name = told.name.as_deref()?;
    let bare = name.trim_start_matches('-');
    let wanted = |word: &str| word.trim_start_matches('-').split('=').next() == Some(bare);
    let settings = place.settings();
    let words: Vec<_> = settings
        .iter()
        .filter(|setting| setting.path.contains(".args[") || setting.path.contains(".command["))
        .collect();
    let setting = words
        .iter()
        .find(|setting| wanted(setting.value))
        .or_else(|| words.iter().find(|setting| setting.value.contains(name)))?;
    let clause = format!("{} has {name}, which the program does not know", setting.what);
    Some(place.link_setting(CauseClass::BadConfiguration, setting, clause, 0.9))
}
