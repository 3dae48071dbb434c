//! `xtask crds`: the chart's CRDs, generated from the Rust types.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};

const FOLDER: &str = "charts/chatcli-operator/crds";

/// Write or check.
#[derive(clap::Args)]
pub struct Args {
    /// Only compare, and fail when they differ.
    #[arg(long)]
    pub check: bool,
}

/// Writes one file per resource, or compares them.
///
/// # Errors
/// When they differ, or cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let wanted: BTreeMap<String, String> =
        api::crds::manifests()?.into_iter().map(|(name, text)| (format!("{name}.yaml"), text)).collect();
    let folder = Path::new(FOLDER);
    if args.check {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {FOLDER}"))? {
            let path = entry?.path();
            found.insert(
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path)?,
            );
        }
        ensure!(found == wanted, "{FOLDER} is not what the Rust types say; remedy: `make crds`");
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    for (name, text) in wanted {
        std::fs::write(folder.join(&name), text)?;
        println!("{FOLDER}/{name}");
    }
    Ok(())
}
