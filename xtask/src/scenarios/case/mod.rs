//! A case as it lies in its folder, and what one run of it expects. No cluster is asked here.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::incident::pattern::Pattern;
use crate::incident::scene::{Scene, id, under};

/// The files of a case.
pub const FILES: [&str; 3] = ["expect.json", "setup.yaml", "fault.sh"];

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
    /// The healthy state.
    pub scene: Scene,
    /// What a good diagnosis says.
    pub expect: Expect,
    /// The script that makes the fault.
    pub fault: String,
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
        let expect = expect(&under(&self.expect, name), &self.id).context("expect.json")?;
        Ok(Run { scene: Scene::new(&self.setup, name)?, expect, fault: under(&self.fault, name) })
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

#[cfg(test)]
mod tests;
