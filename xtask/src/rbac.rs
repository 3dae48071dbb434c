//! `xtask rbac`: the chart's roles, generated from the rights that `domain::rights` says each part needs.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, ensure};
use domain::remediation::actions::Right;
use domain::rights::{Part, Rule, operator, rules};

const FOLDER: &str = "charts/chatcli-operator/files";

/// Write or check.
#[derive(clap::Args)]
pub struct Args {
    /// Only compare, and fail when they differ.
    #[arg(long)]
    pub check: bool,
}

/// Writes one file per role, or compares them.
///
/// # Errors
/// When they differ, or cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    for (name, text) in files() {
        let path = folder.join(name);
        if args.check {
            let found = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(found == text, "{} is not what domain::rights says; remedy: `make crds`", path.display());
            continue;
        }
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Name and content of each file.
fn files() -> Vec<(&'static str, String)> {
    const READ: &[&str] = &["get", "list"];
    let ours = |resource, verbs| Right { group: "platform.chatcli.io", resource, verbs };
    let roles = |resource| Right { group: "rbac.authorization.k8s.io", resource, verbs: &["delete", "list"] };
    let definitions = Right {
        group: "apiextensions.k8s.io",
        resource: "customresourcedefinitions",
        verbs: &["create", "get", "patch"],
    };
    vec![
        ("operator-rules.yaml", text("What the operator must be allowed to do.", &rules(&operator()))),
        (
            "crds-rules.yaml",
            text(
                "What `chatcli crds --apply` must be allowed to do. Nothing is ever deleted.",
                &rules(&[Part { name: "crds --apply", rights: vec![definitions] }]),
            ),
        ),
        (
            "cleanup-rules.yaml",
            text(
                "What `chatcli crds --release` must be allowed to do.",
                &rules(&[Part {
                    name: "crds --release",
                    rights: vec![
                        ours("instances", &["get", "list", "patch"]),
                        Right { group: "", resource: "pods", verbs: READ },
                        roles("roles"),
                        roles("rolebindings"),
                        roles("clusterrolebindings"),
                    ],
                }]),
            ),
        ),
    ]
}

fn text(what: &str, rules: &[Rule]) -> String {
    let mut text = format!("# {what} Generated from domain::rights by `make crds`; do not edit.\n");
    for rule in rules {
        let _ = writeln!(text, "# {}", rule.parts.join(", "));
        if rule.group.is_empty() && rule.resources.contains(&"secrets") {
            text.push_str("# Watched by their metadata, read by name; there is no right that is only for metadata.\n");
        }
        let _ = writeln!(
            text,
            "- apiGroups: [{}]\n  resources: [{}]\n  verbs: [{}]",
            if rule.group.is_empty() { "\"\"" } else { rule.group },
            rule.resources.join(", "),
            rule.verbs.join(", ")
        );
    }
    text
}
