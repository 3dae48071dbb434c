//! A case as it lies in its folder, under the name of its run. No cluster is asked here.

use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::incident::pattern::Pattern;
use crate::incident::scene::{Scene, id, under};

/// The files of a case.
pub const FILES: [&str; 4] = ["signal.json", "setup.yaml", "fault.sh", "fix.sh"];

/// How one signal is made, and what is expected.
pub struct Case {
    /// The signal, which is the name of its folder.
    pub signal: String,
    /// The cause in a few words.
    pub cause: String,
    /// The object that the Anomaly is about, or its root, as `Kind/name`.
    pub object: Pattern,
    /// Seconds within which there is an Anomaly.
    pub within: f64,
    /// Seconds within which it is over.
    pub over_within: f64,
    /// Seconds for which the healthy state is left alone before the cause is made.
    pub rest: f64,
    /// What the cluster must have.
    pub needs: Vec<String>,
    /// The healthy state.
    pub scene: Scene,
    /// The script that makes the cause.
    pub fault: String,
    /// The script that takes it away.
    pub fix: String,
    watch: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cause: String,
    object: String,
    within_seconds: f64,
    over_within_seconds: f64,
    #[serde(default)]
    rest_seconds: f64,
    #[serde(default)]
    needs: Vec<String>,
    watch: Option<Map<String, Value>>,
}

impl Case {
    /// Reads a case, under the name of a run.
    ///
    /// # Errors
    /// Names the file and the field.
    pub fn read(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let text = |file: &str| {
            std::fs::read_to_string(folder.join(file)).with_context(|| format!("{file} of the case cannot be read"))
        };
        let [written, setup, fault, fix] = FILES.map(text);
        let written: Written = serde_json::from_str(&under(&written?, name)).context("signal.json")?;
        for (field, seconds, least) in [
            ("within_seconds", written.within_seconds, 1.0),
            ("over_within_seconds", written.over_within_seconds, 1.0),
            ("rest_seconds", written.rest_seconds, 0.0),
        ] {
            ensure!((least..=3600.0).contains(&seconds), "signal.json: {field} is {seconds}; remedy: {least} to 3600");
        }
        Ok(Self {
            signal: id(folder),
            cause: written.cause,
            object: Pattern::new(&written.object).context("signal.json: object")?,
            within: written.within_seconds,
            over_within: written.over_within_seconds,
            rest: written.rest_seconds,
            needs: written.needs,
            scene: Scene::new(&setup?, name)?,
            fault: under(&fault?, name),
            fix: under(&fix?, name),
            watch: written.watch,
        })
    }

    /// The workload that the platform must know by name, as its file of targets says it.
    pub fn target(&self) -> Option<Value> {
        let mut target = self.watch.clone()?;
        target.insert("namespace".to_owned(), Value::from(self.scene.name.clone()));
        Some(Value::Object(target))
    }

    /// How long it takes, all in all.
    pub fn longest(&self) -> f64 {
        self.rest + self.within + self.over_within
    }
}
