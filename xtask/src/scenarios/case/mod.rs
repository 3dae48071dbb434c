//! A case as it lies in its folder, and what one run of it expects. No cluster is asked here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::object::Object;

/// What stands for the name of a run in all files of a case.
const NAME: &str = "${NS}";
/// The files of a case.
const FILES: [&str; 3] = ["expect.json", "setup.yaml", "fault.sh"];

/// A case, as it was written.
pub struct Case {
    /// Its id, which is the name of its folder.
    pub id: String,
    expect: String,
    setup: String,
    fault: String,
}

/// A case under the name of one run.
pub struct Run {
    /// The random name.
    pub name: String,
    /// What a good diagnosis says.
    pub expect: Expect,
    /// Manifests of the healthy state.
    pub setup: String,
    /// The objects in them.
    pub documents: Vec<Document>,
    /// The script that makes the fault.
    pub fault: String,
}

/// An object of the healthy state.
pub struct Document {
    /// Which it is. Without a namespace it lands in that of the run, if its kind has one.
    pub object: Object,
    /// Its manifest.
    pub value: Value,
}

/// What a good diagnosis says.
pub struct Expect {
    /// The fault in a sentence.
    pub fault: String,
    /// Group of cases.
    pub tier: String,
    /// Whether nothing is wrong.
    pub negative: bool,
    /// Object at fault, by kind and by name.
    pub root: Option<(Pattern, Pattern)>,
    /// Field or value at fault.
    pub field: Option<Pattern>,
    /// One of them is found in the statement.
    pub cause: Vec<Pattern>,
    /// Where the fault shows, as `Kind/name`.
    pub symptoms: Vec<Pattern>,
    /// Seconds after which the symptom is visible.
    pub settle: f64,
    /// The remedy, for people.
    pub fix: String,
    /// How many Issues are right.
    pub issues_max: usize,
    /// What is broken before the fault already, as `Kind/name`.
    pub old_trouble: Vec<Pattern>,
    /// What the cluster must have.
    pub needs: Vec<String>,
    /// Fields that nobody looked at.
    pub unknown: Vec<String>,
}

/// A regular expression of a case, as it was written there.
pub struct Pattern {
    /// Its text.
    pub text: String,
    found: Regex,
    whole: Regex,
}

#[derive(Deserialize)]
struct Written {
    id: String,
    fault: String,
    tier: String,
    #[serde(default)]
    negative: bool,
    root: Option<Root>,
    field: Option<String>,
    #[serde(default)]
    cause_regex: Vec<String>,
    #[serde(default)]
    symptom_objects: Vec<String>,
    settle_seconds: f64,
    #[serde(default)]
    fix: String,
    issues_max: Option<usize>,
    #[serde(default)]
    old_trouble: Vec<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Root {
    kind: String,
    name: String,
}

impl Pattern {
    /// Compiles one.
    ///
    /// # Errors
    /// When it is no expression.
    pub fn new(text: &str) -> anyhow::Result<Self> {
        // Case is ignored, and `.` matches a line break too.
        let compile = |text: String| Regex::new(&text).with_context(|| format!("the expression {text:?} is wrong"));
        Ok(Self {
            text: text.to_owned(),
            found: compile(format!("(?is){text}"))?,
            whole: compile(format!(r"(?is)\A(?:{text})\z"))?,
        })
    }

    fn all(texts: &[String]) -> anyhow::Result<Vec<Self>> {
        texts.iter().map(|text| Self::new(text)).collect()
    }

    /// Whether it is found in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.found.is_match(text).unwrap_or(false)
    }

    /// Whether it matches all of a text.
    pub fn is(&self, text: &str) -> bool {
        self.whole.is_match(text).unwrap_or(false)
    }
}

/// The folders of cases in a folder, sorted: those that hold an `expect.json`.
///
/// # Errors
/// When there is none.
pub fn folders(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read {}; remedy: DIR=the folder that holds the cases", dir.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("expect.json").is_file()).collect();
    ensure!(
        !folders.is_empty(),
        "{} holds no case; remedy: a case is a folder with {}",
        dir.display(),
        FILES.join(", ")
    );
    folders.sort();
    Ok(folders)
}

/// The id of the case in a folder.
pub fn id(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Case {
    /// Reads a case and checks it.
    ///
    /// # Errors
    /// Names the file, the field, and what it must be.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |file: &str| {
            std::fs::read_to_string(folder.join(file)).with_context(|| format!("{file} of the case cannot be read"))
        };
        let [expect, setup, fault] = FILES.map(text);
        let case = Self { id: id(folder), expect: expect?, setup: setup?, fault: fault? };
        // Whatever is wrong with it is wrong under any name.
        case.under("check")?;
        Ok(case)
    }

    /// The case under the name of a run.
    ///
    /// # Errors
    /// As [`Case::read`].
    pub fn under(&self, name: &str) -> anyhow::Result<Run> {
        let expect = expect(&self.expect.replace(NAME, name), &self.id).context("expect.json")?;
        let setup = self.setup.replace(NAME, name);
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
        Ok(Run { name: name.to_owned(), expect, setup, documents, fault: self.fault.replace(NAME, name) })
    }
}

impl Run {
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

fn expect(text: &str, id: &str) -> anyhow::Result<Expect> {
    let written: Written = serde_json::from_str(text)?;
    ensure!(written.id == id, "id is {:?}, and the folder {id:?}; remedy: the folder's name is the id", written.id);
    ensure!(
        (0.0..=600.0).contains(&written.settle_seconds),
        "settle_seconds is {}; remedy: 0 to 600",
        written.settle_seconds
    );
    ensure!(written.issues_max != Some(0), "issues_max is 0; remedy: leave it out, or negative: true");
    if written.negative {
        ensure!(
            written.root.is_none() && written.field.is_none(),
            "negative is true, and root or field is set; remedy: null, as nothing is at fault"
        );
    } else {
        ensure!(written.root.is_some(), "root is missing; remedy: kind and name of the object at fault");
        ensure!(written.field.is_some(), "field is missing; remedy: an expression for the field or value at fault");
        ensure!(!written.cause_regex.is_empty(), "cause_regex is empty; remedy: what the statement must say");
        ensure!(!written.symptom_objects.is_empty(), "symptom_objects is empty; remedy: where the fault shows");
    }
    let root = written.root.map(|root| anyhow::Ok((Pattern::new(&root.kind)?, Pattern::new(&root.name)?)));
    Ok(Expect {
        fault: written.fault,
        tier: written.tier,
        negative: written.negative,
        root: root.transpose().context("root")?,
        field: written.field.as_deref().map(Pattern::new).transpose().context("field")?,
        cause: Pattern::all(&written.cause_regex).context("cause_regex")?,
        symptoms: Pattern::all(&written.symptom_objects).context("symptom_objects")?,
        settle: written.settle_seconds,
        fix: written.fix,
        issues_max: written.issues_max.unwrap_or(1),
        old_trouble: Pattern::all(&written.old_trouble).context("old_trouble")?,
        needs: written.needs,
        unknown: written.unknown.into_keys().collect(),
    })
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
mod tests;
