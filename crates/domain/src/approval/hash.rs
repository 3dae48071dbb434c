//! The hash that an approval binds to.

use api::shared::RemediationAction;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::policy::Governing;

/// Form of the hashed text; a change of the form makes every open approval ask again.
const FORM: &str = "v1";

#[derive(Serialize)]
struct Bound<'a> {
    form: &'a str,
    actions: &'a [RemediationAction],
    target_uid: &'a str,
    policies: Vec<(&'a str, &'a str, i64, &'a str)>,
}

/// Hash over the actions, the UID of the target and the rules that govern (namespace, name, generation, rule). An
/// approval is worth nothing for anything else.
pub fn actions_hash(actions: &[RemediationAction], target_uid: &str, governing: &[Governing]) -> String {
    let mut policies: Vec<_> = governing
        .iter()
        .map(|g| (g.namespace.as_str(), g.name.as_str(), g.generation, g.rule.as_deref().unwrap_or("")))
        .collect();
    policies.sort_unstable();
    let bound = Bound { form: FORM, actions, target_uid, policies };
    // Maps in it are BTreeMaps and its keys are strings: the text is canonical and cannot fail to be written.
    let text = serde_json::to_vec(&bound).unwrap_or_default();
    let digest = Sha256::digest(&text);
    digest.iter().fold(String::with_capacity(64), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    })
}
