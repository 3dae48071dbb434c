//! Programs that a volume is mounted over: what the image has in that folder cannot be seen.
//!
//! What lives here: which mount hides a program that was not found, and whether it is to blame. What does not: programs
//! that are not in the image at all (`start`).

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::link::{Link, Place};
use super::start::{COMMANDS, common_command};

/// Where a program without a slash is looked for when nobody sets `PATH`.
const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is added to an image stands there; the programs of its system do not.
const ADDED: &str = "/usr/local/";
/// Programs of the system, which no key of a ConfigMap brings.
const SYSTEM: [&str; 28] = [
    "ash", "awk", "bash", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "echo", "env", "false", "find", "grep",
    "head", "ln", "ls", "mkdir", "mv", "rm", "sed", "sh", "sleep", "tail", "tar", "tee", "true",
];

/// The mount that hides a program, if one does.
pub(super) fn link(place: &Place<'_>, name: &str) -> Option<Link> {
    let (index, mount, sure) = if name.contains('/') { given(place, name) } else { searched(place, name) }?;
    let what = if name.contains('/') { "does not exist" } else { "is not found" };
    let clause = format!(
        "it starts {name}, which {what}: volume {} is mounted at {} and hides what the image has there",
        mount.name, mount.mount_path
    );
    let path = format!("{}.volumeMounts[{index}].mountPath", place.path);
    Some(place.link(CauseClass::BadConfiguration, path, Some(&mount.mount_path), clause, sure))
}

/// A program that is named with its folder.
fn given<'a>(place: &Place<'a>, name: &str) -> Option<(usize, &'a VolumeMount, f64)> {
    let file = match place.container.working_dir.as_deref() {
        Some(folder) if !name.starts_with('/') => {
            format!("{}/{}", folder.trim_end_matches('/'), name.trim_start_matches("./"))
        }
        _ => name.to_owned(),
    };
    let (index, mount) = place.mount(&file).filter(|_| file.starts_with('/'))?;
    hides(place, mount, file.rsplit('/').next().unwrap_or_default()).then_some((index, mount, 0.9))
}

/// A program that is looked for in the folders of `PATH`, one of which is mounted over.
fn searched<'a>(place: &Place<'a>, name: &str) -> Option<(usize, &'a VolumeMount, f64)> {
    let system = SYSTEM.contains(&name);
    let own = place.container.env.iter().flatten().find(|variable| variable.name == "PATH");
    let folders = own.and_then(|variable| variable.value.as_deref()).unwrap_or(SEARCHED);
    let over = |mount: &VolumeMount| {
        let mounted = mount.mount_path.trim_end_matches('/');
        folders.split(':').map(|folder| folder.trim_end_matches('/')).any(|folder| {
            let covers = folder == mounted || folder.strip_prefix(mounted).is_some_and(|rest| rest.starts_with('/'));
            covers && !mounted.is_empty() && !(system && format!("{folder}/").starts_with(ADDED))
        })
    };
    let mounts = place.container.volume_mounts.iter().flatten().enumerate();
    let mut all = mounts.filter(|(_, mount)| over(mount) && hides(place, mount, name));
    let before = before(place);
    let Some((container, served)) = before else {
        let (index, mount) = all.next().filter(|_| !slip(name))?;
        return Some((index, mount, 0.85));
    };
    let had = |mount: &VolumeMount| {
        let same = |other: &VolumeMount| {
            other.mount_path.trim_end_matches('/') == mount.mount_path.trim_end_matches('/') && other.name == mount.name
        };
        container.volume_mounts.iter().flatten().any(same)
    };
    // What was mounted while the pods served hides nothing that they need.
    let (index, mount) = all.find(|(_, mount)| !served || !had(mount))?;
    let words = container.command.iter().chain(&container.args).flatten();
    let called = words.flat_map(|word| word.split_whitespace()).any(|word| word == name);
    match (called && !had(mount), slip(name)) {
        (true, _) => Some((index, mount, 0.95)),
        (false, false) => Some((index, mount, 0.85)),
        (false, true) => None,
    }
}

/// Whether a name is rather a slip of the hand.
fn slip(name: &str) -> bool {
    !COMMANDS.contains(&name) && common_command(name).is_some()
}

/// Whether a mount hides a program that nothing of the pod puts there.
fn hides(place: &Place<'_>, mount: &VolumeMount, name: &str) -> bool {
    let Some((_, volume)) = place.volume(&mount.name) else { return false };
    // A program that a key of a ConfigMap brings, or that an init container puts there, is not of the image.
    let filled = place.spec.init_containers.iter().flatten().any(|init| {
        init.name != place.container.name
            && init
                .volume_mounts
                .iter()
                .flatten()
                .any(|other| other.name == mount.name && other.read_only != Some(true))
    });
    let keys = volume.config_map.is_some() || volume.secret.is_some() || volume.projected.is_some();
    let brought = (keys && !SYSTEM.contains(&name)) || volume.image.is_some();
    // A single file is mounted beside what the image has.
    !(filled || brought || mount.sub_path.is_some())
}

/// The container as the revision before had it, and whether pods of that one serve.
fn before<'a>(place: &Place<'a>) -> Option<(&'a Container, bool)> {
    let revision = place.evidence.previous()?;
    let spec = revision.template.spec.as_ref()?;
    let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    Some((all.find(|container| container.name == place.container.name)?, revision.ready > 0))
}
