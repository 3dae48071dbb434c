//! Why a container cannot be started: what the runtime and the kubelet say, and the field that it is about.

use api::shared::CauseClass;

use super::Evidence;
use super::link::{Link, Place};
use super::log::{self, Family};
use crate::graph::nearest;

/// Commands that images commonly have, for one that is nearly right.
pub(super) const COMMANDS: [&str; 76] = [
    "ash",
    "awk",
    "base64",
    "bash",
    "bundle",
    "caddy",
    "cargo",
    "cat",
    "celery",
    "chmod",
    "chown",
    "consul",
    "cp",
    "curl",
    "cut",
    "date",
    "dd",
    "dig",
    "django-admin",
    "dotnet",
    "echo",
    "env",
    "envsubst",
    "etcd",
    "false",
    "find",
    "flask",
    "git",
    "go",
    "grep",
    "gunicorn",
    "gunzip",
    "gzip",
    "head",
    "httpd",
    "java",
    "jq",
    "kubectl",
    "ln",
    "ls",
    "mkdir",
    "mongod",
    "mv",
    "mysql",
    "mysqld",
    "nc",
    "nginx",
    "node",
    "npm",
    "npx",
    "nslookup",
    "openssl",
    "php",
    "ping",
    "pip",
    "postgres",
    "psql",
    "python",
    "python3",
    "redis-cli",
    "redis-server",
    "rm",
    "rsync",
    "ruby",
    "sed",
    "sh",
    "sleep",
    "tail",
    "tar",
    "tee",
    "touch",
    "true",
    "unzip",
    "uvicorn",
    "wget",
    "yarn",
];

/// What the message of a start that failed leads to.
pub(super) fn link(evidence: &Evidence, message: &str) -> Option<Link> {
    let place = Place::of(evidence)?;
    let lower = message.to_ascii_lowercase();
    let says = |text: &str| lower.contains(text);
    let own = place.container.security_context.as_ref();
    if says("runasnonroot") {
        let path = match own.and_then(|context| context.run_as_non_root) {
            Some(_) => format!("{}.securityContext.runAsNonRoot", place.path),
            None => format!("{}.securityContext.runAsNonRoot", place.prefix),
        };
        let clause = if says("non-numeric") {
            "runAsNonRoot is set, and the image's user is a name; runAsUser would say its number"
        } else {
            "runAsNonRoot is set, but it would run as root; runAsUser would name another user"
        };
        return Some(place.link(CauseClass::BadConfiguration, path, Some("true"), clause.into(), 0.95));
    }
    if says("chdir to cwd") || says("working directory") || says("mkdir cwd") {
        let folder = place.container.working_dir.as_deref();
        let shown = folder.unwrap_or("of the image");
        let path = format!("{}.workingDir", place.path);
        let clause = format!("workingDir {shown} does not exist in the image");
        return Some(place.link(CauseClass::BadConfiguration, path, folder, clause, 0.9));
    }
    if says("subpath") || says("trying to mount a directory onto a file") || says("not a directory: unknown") {
        return mount(&place, message);
    }
    if says("poststart") {
        let path = format!("{}.lifecycle.postStart", place.path);
        return Some(place.link(CauseClass::BadConfiguration, path, None, "its postStart hook fails".into(), 0.85));
    }
    if says("no command specified") {
        let path = format!("{}.command", place.path);
        let clause = "neither its spec nor its image has a command".to_owned();
        return Some(place.link(CauseClass::BadConfiguration, path, None, clause, 0.9));
    }
    if says("sysctl") {
        let path = format!("{}.securityContext.sysctls", place.prefix);
        let named = message.split('"').nth(1).map(str::to_owned);
        let clause = format!(
            "its node does not allow sysctl {}, which securityContext.sysctls sets",
            named.as_deref().unwrap_or("of its spec")
        );
        return Some(place.link(CauseClass::BadConfiguration, path, named.as_deref(), clause, 0.93));
    }
    for (word, field) in [
        ("apparmor", "appArmorProfile"),
        ("seccomp", "seccompProfile"),
        ("capabilit", "capabilities"),
        ("selinux", "seLinuxOptions"),
    ] {
        if says(word) {
            let path = format!("{}.securityContext.{field}", place.path);
            let clause = format!("securityContext.{field} cannot be applied");
            return Some(place.link(CauseClass::BadConfiguration, path, None, clause, 0.75));
        }
    }
    if says("exec format error") {
        return super::link::architecture(&place);
    }
    let told = log::told(message)?;
    match told.family? {
        Family::CommandMissing => command_missing(&place, told.name.as_deref()?),
        Family::FileDenied if says("exec") => not_executable(&place, command(message)?),
        _ => None,
    }
}

/// A hook after the start that failed, for which the kubelet ended the container.
pub(super) fn hook(evidence: &Evidence) -> Option<Link> {
    let seen = evidence.symptom.evidence.iter().find(|o| o.detail.starts_with("FailedPostStartHook"))?;
    let place = Place::of(evidence)?;
    let path = format!("{}.lifecycle.postStart", place.path);
    let hook = place.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    let command =
        hook.and_then(|hook| hook.exec.as_ref()?.command.as_ref()).map(|words| log::cut(&words.join(" "), 100));
    let said = seen.detail.split("message: ").nth(1).map(|said| log::cut(said.trim_matches('"'), 100));
    let clause = match (&command, said) {
        (Some(command), Some(said)) => format!("its postStart hook {command:?} fails: {said}"),
        (Some(command), None) => format!("its postStart hook {command:?} fails"),
        _ => "its postStart hook fails".to_owned(),
    };
    Some(place.link(CauseClass::BadConfiguration, path, command.as_deref(), clause, 0.9))
}

/// The command that a message of the runtime quotes: `exec: "/run.sh": permission denied`.
fn command(message: &str) -> Option<&str> {
    message.split("exec: \"").nth(1)?.split('"').next()
}

/// The mount that cannot be made; the message quotes its path or the name of its volume.
fn mount(place: &Place<'_>, message: &str) -> Option<Link> {
    let named = |text: &str| message.contains(&format!("\"{text}\"")) || message.contains(&format!("\"{text}:"));
    let mounts = place.container.volume_mounts.as_deref().unwrap_or_default();
    let index = mounts
        .iter()
        .position(|mount| named(&mount.mount_path) || message.contains(&format!("{} ", mount.mount_path)))
        .or_else(|| mounts.iter().position(|mount| mount.sub_path.is_some() && named(&mount.name)))
        .or_else(|| mounts.iter().position(|mount| mount.sub_path.is_some()))?;
    let mount = mounts.get(index)?;
    let (field, value) = match &mount.sub_path {
        Some(sub) => ("subPath", sub.clone()),
        None => ("mountPath", mount.mount_path.clone()),
    };
    let clause = format!("volume {} cannot be mounted at {} with {field} {value}", mount.name, mount.mount_path);
    let path = format!("{}.volumeMounts[{index}].{field}", place.path);
    Some(place.link(CauseClass::BadConfiguration, path, Some(&value), clause, 0.85))
}

/// A command that is not in the image: where it stands in the spec, and what may have been meant.
pub(super) fn command_missing(place: &Place<'_>, name: &str) -> Option<Link> {
    if let Some(link) = super::hidden::link(place, name) {
        return Some(link);
    }
    let (path, what, sure) = position(place, name)?;
    let before = words_before(place);
    let meant = if name.contains('/') {
        nearest(name, before.iter().map(String::as_str))
    } else {
        nearest(name, before.iter().map(String::as_str)).or_else(|| common_command(name))
    };
    let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let clause = format!("{what} {name}, an executable that does not exist in its image{meant}");
    Some(place.link(CauseClass::BadConfiguration, path, Some(name), clause, sure))
}

fn not_executable(place: &Place<'_>, name: &str) -> Option<Link> {
    let (path, what, sure) = position(place, name)?;
    let clause = format!("{what} {name}, which may not be executed");
    Some(place.link(CauseClass::BadConfiguration, path, Some(name), clause, sure))
}

/// Where a command stands: path, words for it, and how sure that is.
fn position(place: &Place<'_>, name: &str) -> Option<(String, &'static str, f64)> {
    let lists =
        [("command", &place.container.command, "its command names"), ("args", &place.container.args, "its args name")];
    let exact = lists.iter().find_map(|(list, words, what)| {
        let index = words.iter().flatten().position(|word| word == name)?;
        Some((format!("{}.{list}[{index}]", place.path), *what, 0.95))
    });
    // A shell runs what it is given as a text.
    let inside = || {
        lists.iter().find_map(|(list, words, _)| {
            let index = words.iter().flatten().position(|word| log::mentions(word, name) || word.contains(name))?;
            Some((format!("{}.{list}[{index}]", place.path), "its script calls", 0.9))
        })
    };
    exact.or_else(inside).or_else(|| {
        let image = place.container.command.is_none();
        let (path, what) = if image { ("image", "its image starts") } else { ("command", "its command leads to") };
        Some((format!("{}.{path}", place.path), what, 0.7))
    })
}

/// Words of the command that the revision before had.
fn words_before(place: &Place<'_>) -> Vec<String> {
    let spec = place.evidence.previous().and_then(|revision| revision.template.spec.as_ref());
    let all = spec.map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let container = all.into_iter().flatten().find(|container| container.name == place.container.name);
    let words = container.map(|c| c.command.iter().chain(c.args.iter()).flatten()).into_iter().flatten();
    words.flat_map(|word| word.split_whitespace()).map(str::to_owned).collect()
}

/// A common command with a letter more, less, other or swapped; of short names only the swapped and the longer ones.
pub(super) fn common_command(name: &str) -> Option<&'static str> {
    let mut sorted: Vec<char> = name.chars().collect();
    sorted.sort_unstable();
    let swapped = |command: &&&str| {
        let mut letters: Vec<char> = command.chars().collect();
        letters.sort_unstable();
        **command != name && letters == sorted
    };
    COMMANDS.iter().find(swapped).copied().or_else(|| {
        let one = |command: &&&str| {
            let (long, short) = if command.len() > name.len() { (**command, name) } else { (name, **command) };
            let prefix = long.chars().zip(short.chars()).take_while(|(a, b)| a == b).count();
            let suffix = long.chars().rev().zip(short.chars().rev()).take_while(|(a, b)| a == b).count();
            short.len() > 2 && long.len() - short.len() <= 1 && prefix + suffix + 1 >= long.len() && long != short
        };
        COMMANDS.iter().find(one).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::common_command;

    #[test]
    fn a_letter_more_less_or_swapped() {
        for (name, meant) in [
            ("mkdri", Some("mkdir")),
            ("wge", Some("wget")),
            ("pythn", Some("python")),
            ("nodee", Some("node")),
            ("sleep", None),
            ("frobnicate", None),
            ("x", None),
        ] {
            assert_eq!(common_command(name), meant, "{name}");
        }
    }
}
