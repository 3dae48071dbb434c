//! The healthy state of a case under the name of one run. No cluster is asked here.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::object::Object;

/// What stands for the name of a run in all files of a case.
const NAME: &str = "${NS}";

/// A healthy state.
pub struct Scene {
    /// The random name of the run.
    pub name: String,
    /// Its manifests.
    pub setup: String,
    /// The objects in them.
    pub documents: Vec<Document>,
}

/// An object of the healthy state.
pub struct Document {
    /// Which it is. Without a namespace it lands in that of the run, if its kind has one.
    pub object: Object,
    /// Its manifest.
    pub value: Value,
}

/// A file of a case, under the name of a run.
pub fn under(text: &str, name: &str) -> String {
    text.replace(NAME, name)
}

/// A name that teaches nothing, and that no other run has.
///
/// # Errors
/// When there is no source of randomness.
pub fn random_name() -> anyhow::Result<String> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0; 9];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes).context("no randomness")?;
    let pick = |index: usize, byte: &u8| {
        let from = if index == 0 { LETTERS } else { ALL };
        from.get(usize::from(*byte) % from.len()).map(|letter| char::from(*letter))
    };
    Ok(bytes.iter().enumerate().filter_map(|(index, byte)| pick(index, byte)).collect())
}

/// The folders of cases in a folder, sorted: those that hold the first of the files that a case has.
///
/// # Errors
/// When there is none.
pub fn folders(dir: &Path, files: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read {}; remedy: name the folder that holds the cases", dir.display()))?;
    let first = files.first().copied().unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join(first).is_file()).collect();
    ensure!(
        !folders.is_empty(),
        "{} holds no case; remedy: a case is a folder with {}",
        dir.display(),
        files.join(", ")
    );
    folders.sort();
    Ok(folders)
}

/// The id of the case in a folder: its name.
pub fn id(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Scene {
    /// The one that a `setup.yaml` makes under the name of a run.
    ///
    /// # Errors
    /// When it is no YAML, or reaches beyond the run.
    pub fn new(setup: &str, name: &str) -> anyhow::Result<Self> {
        let setup = under(setup, name);
        let documents = documents(&setup).context("setup.yaml")?;
        ensure!(
            documents.iter().any(|document| document.object.kind == "Namespace" && document.object.name == name),
            "setup.yaml makes no Namespace {NAME}; remedy: it is the first object of the healthy state"
        );
        for Document { object, .. } in &documents {
            // Side by side, and cleaned up afterwards: nothing may touch what is not the run's own.
            let namespaced = object.namespace.is_some();
            ensure!(
                object.kind != "Namespace" || object.belongs_to(name),
                "setup.yaml makes the namespace {}; remedy: call it {NAME}-something",
                object.name
            );
            ensure!(
                !namespaced || object.belongs_to(name),
                "setup.yaml puts {} into the namespace {}; remedy: {NAME} or {NAME}-something",
                object.id(),
                object.namespace.as_deref().unwrap_or_default()
            );
        }
        Ok(Self { name: name.to_owned(), setup, documents })
    }

    /// Whether it must be alone on the cluster: its simulated nodes would take the pods of others.
    pub fn wants_to_be_alone(&self) -> bool {
        let keeps_away =
            |taint: &Value| matches!(taint.get("effect").and_then(Value::as_str), Some("NoSchedule" | "NoExecute"));
        self.documents.iter().filter(|document| document.object.kind == "Node").any(|node| {
            let taints = node.value.pointer("/spec/taints").and_then(Value::as_array);
            !taints.is_some_and(|taints| taints.iter().any(keeps_away))
        })
    }
}

/// The objects of a file of manifests, in their order.
fn documents(text: &str) -> anyhow::Result<Vec<Document>> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        // A line that begins so ends a document, also within a text block.
        if line == "---" || line.starts_with("--- ") {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let mut documents = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if part.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        let value: Value =
            serde_saphyr::from_str(part).with_context(|| format!("document {} is no YAML", index + 1))?;
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let object = Object::new(text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        if object.kind.is_empty() || object.name.is_empty() {
            bail!("document {} has no kind or no metadata.name", index + 1);
        }
        documents.push(Document { object, value });
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: &str = "# the healthy state\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${NS}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: '${NS}'}\n";

    fn refusal(setup: &str) -> String {
        format!("{:#}", Scene::new(setup, "k3x").err().expect("a refusal"))
    }

    #[test]
    fn a_setup_that_reaches_beyond_the_run_is_refused() {
        let elsewhere = SETUP.replace("namespace: '${NS}'", "namespace: kube-system");
        assert!(refusal(&elsewhere).contains("into the namespace kube-system"));
        let other = format!("{SETUP}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n");
        assert!(refusal(&other).contains("makes the namespace shop"));
        assert!(refusal("kind: Pod\nmetadata: {name: a}\n").contains("makes no Namespace"));
        assert!(refusal(&format!("{SETUP}---\nkind: Pod\n")).contains("document 3 has no kind"));
    }

    #[test]
    fn a_case_is_alone_when_its_nodes_take_any_pod() {
        let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: '${NS}-a'}\nspec:\n  taints:\n  - {key: berth, effect: NoSchedule}\n";
        let alone = |setup: String| Scene::new(&setup, "k3x").unwrap().wants_to_be_alone();
        assert!(!alone(SETUP.into()));
        assert!(!alone(format!("{SETUP}{node}")));
        assert!(alone(format!("{SETUP}{}", node.replace("NoSchedule", "PreferNoSchedule"))));
        assert!(alone(format!("{SETUP}{}", node.split("spec:").next().unwrap())));
    }

    #[test]
    fn a_name_is_one_of_a_namespace_and_of_a_service() {
        let names: Vec<String> = (0..50).map(|_| random_name().unwrap()).collect();
        for name in &names {
            assert!(name.len() == 9 && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
        assert!(names.iter().collect::<std::collections::HashSet<_>>().len() > 45);
    }
}
