//! What a language model gets to see: sections in the order of their weight, as many as fit.
//!
//! What lives here: the sections of an analysis and their fitting. What does not: taking secrets out (`scrub`), the words
//! around it (`prompt`).

use std::fmt::Write;

use api::shared::ObjectRef;

use super::Ask;
use crate::diagnosis::{Diagnosis, Evidence, changes};

/// A section that would be cut to less than this is left out.
const LEAST: usize = 300;
/// Pods, events, keys and so on that are told of each kind.
const ENTRIES: usize = 20;
/// Longest single value.
const VALUE: usize = 400;

/// Which end of a section is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its beginning.
    Head,
    /// Its end, as of a log.
    Tail,
}

/// A part of what is told. The title is ours, the text is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Title.
    pub title: &'static str,
    /// Text.
    pub text: String,
    /// What stays when it does not fit.
    pub keep: Keep,
}

impl Section {
    fn new(title: &'static str, text: impl Into<String>) -> Self {
        Self { title, text: text.into(), keep: Keep::Head }
    }
}

/// Fits sections, the most important first, into `budget` characters. What does not fit is cut or left out, and said so.
pub fn assemble(sections: &[Section], budget: usize) -> String {
    let (mut out, mut left, mut missing) = (String::new(), budget, Vec::new());
    for section in sections {
        let text = section.text.trim();
        if text.is_empty() {
            continue;
        }
        let length = text.chars().count();
        let frame = section.title.chars().count() + 6;
        if length + frame <= left {
            let _ = write!(out, "## {}\n{text}\n\n", section.title);
            left -= length + frame;
        } else if left >= LEAST + frame {
            let cut = cut(text, left - frame, section.keep);
            left = left.saturating_sub(cut.chars().count() + frame);
            let _ = write!(out, "## {}\n{cut}\n\n", section.title);
        } else {
            missing.push(section.title);
        }
    }
    if !missing.is_empty() {
        let _ = writeln!(out, "Left out because there was no room: {}.", missing.join(", "));
    }
    out
}

fn cut(text: &str, room: usize, keep: Keep) -> String {
    const NOTE: usize = 40;
    let length = text.chars().count();
    let room = room.saturating_sub(NOTE);
    let note = format!("[{} characters left out]", length - room.min(length));
    match keep {
        Keep::Head => format!("{}\n{note}", text.chars().take(room).collect::<String>()),
        Keep::Tail => format!("{note}\n{}", text.chars().skip(length - room.min(length)).collect::<String>()),
    }
}

/// The sections of an analysis, the most important first.
pub fn material(ask: &Ask, diagnosis: &Diagnosis, evidence: Option<&Evidence>) -> Vec<Section> {
    let mut sections = vec![
        Section::new("Issue", issue(ask)),
        Section::new("What the rules found", found(diagnosis)),
        Section::new("What was tried and did not help", &*ask.previous_failures),
    ];
    if let Some(evidence) = evidence {
        sections.extend([
            Section::new("Symptom", symptom(evidence)),
            Section { keep: Keep::Tail, ..Section::new("Log of the failing container", logs(evidence)) },
            Section::new("Changes between the last two revisions", revisions(evidence)),
            Section::new("ConfigMaps of the workload", config_maps(evidence)),
            Section::new("What the workload is connected with", evidence.around.join("\n")),
            Section::new("Pods", pods(evidence)),
            Section::new("Warning events", events(evidence)),
            Section::new("Claims and nodes", nodes(evidence)),
        ]);
    }
    sections.push(Section::new("What the operator knows besides", &*ask.kubernetes_context));
    sections
}

fn issue(ask: &Ask) -> String {
    format!(
        "name: {}\nsignal: {}\nseverity: {}\nattempt: {}\ndescription: {}",
        ask.issue, ask.signal, ask.severity, ask.attempt, ask.description
    )
}

fn object(object: &ObjectRef) -> String {
    format!("{} {}/{}", object.kind, object.namespace.as_deref().unwrap_or("-"), object.name)
}

fn shown(text: &str) -> String {
    if text.chars().count() <= VALUE {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(VALUE).collect::<String>())
    }
}

fn found(diagnosis: &Diagnosis) -> String {
    let cause = &diagnosis.cause;
    let mut out = format!("class: {:?}\nstatement: {}\nat: {}", cause.class, cause.statement, object(&cause.object));
    if let Some(path) = &cause.path {
        let _ = write!(out, "\npath: {path} = {}", shown(cause.value.as_deref().unwrap_or("(absent)")));
    }
    let _ = write!(out, "\nconfidence: {:.2}", cause.confidence);
    for proof in cause.proof.iter().take(ENTRIES) {
        let (path, value) = (proof.path.as_deref().unwrap_or(""), proof.value.as_deref().unwrap_or(""));
        let _ = write!(out, "\nproof: {} {path} {} ({})", object(&proof.object), shown(value), proof.rule);
    }
    for other in cause.ruled_out.iter().take(ENTRIES) {
        let _ = write!(out, "\nruled out: {}: {}", other.hypothesis, other.because);
    }
    for action in &diagnosis.actions {
        let _ = write!(out, "\nproposed: {} {:?}", action.action, action.params);
    }
    out
}

fn symptom(evidence: &Evidence) -> String {
    let symptom = &evidence.symptom;
    let mut out = format!(
        "{}\nrule: {}\nsince: {}\ncount: {}\nobserved: {}\nexpected: {}",
        symptom.message, symptom.rule, symptom.since, symptom.count, symptom.value, symptom.threshold
    );
    for seen in symptom.evidence.iter().take(ENTRIES) {
        let _ = write!(out, "\nseen on {}: {}", object(&seen.object), shown(&seen.detail));
    }
    out
}

fn logs(evidence: &Evidence) -> String {
    let mut out = String::new();
    for tail in &evidence.logs {
        let _ = writeln!(out, "pod {}, container {}:\n{}", tail.pod, tail.container, tail.lines.join("\n"));
    }
    out
}

fn revisions(evidence: &Evidence) -> String {
    let mut out = String::new();
    for revision in evidence.view.revisions.iter().take(5) {
        let _ = writeln!(out, "revision {}: {} of {} pods ready", revision.number, revision.ready, revision.desired);
    }
    if let [after, before, ..] = evidence.view.revisions.as_slice() {
        for change in changes(&before.template, &after.template).iter().take(ENTRIES) {
            let _ = writeln!(out, "{}", shown(&format!("{change:?}")));
        }
    }
    out
}

fn config_maps(evidence: &Evidence) -> String {
    let mut out = String::new();
    for map in &evidence.config_maps {
        let Some(data) = &map.data else {
            let _ = writeln!(out, "{}: does not exist", map.name);
            continue;
        };
        let keys: Vec<&str> = data.keys().map(String::as_str).take(ENTRIES).collect();
        let _ = writeln!(out, "{}: keys {}", map.name, keys.join(", "));
        let Some(before) = &map.before else { continue };
        for (key, value) in data {
            match before.get(key) {
                Some(old) if old == value => {}
                old => {
                    let old = old.map_or_else(|| "(absent)".to_owned(), |old| shown(old));
                    let _ = writeln!(out, "changed {key}: {old}\nto {key}: {}", shown(value));
                }
            }
        }
        for key in before.keys().filter(|key| !data.contains_key(*key)) {
            let _ = writeln!(out, "key {key} was taken out");
        }
    }
    out
}

fn pods(evidence: &Evidence) -> String {
    let mut out = String::new();
    for pod in evidence.view.pods.iter().take(ENTRIES) {
        let _ = write!(out, "{} revision {} {} ready={}", pod.reference().name, pod.revision, pod.phase(), pod.ready());
        for (init, status) in pod.statuses() {
            let waiting = status.state.as_ref().and_then(|s| s.waiting.as_ref()).and_then(|w| w.reason.clone());
            let ended = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
            let ended = ended.map(|t| format!("exit {} {}", t.exit_code, t.reason.as_deref().unwrap_or("")));
            let _ = write!(
                out,
                "; {}{} restarts={} {} {}",
                if init { "init " } else { "" },
                status.name,
                status.restart_count,
                waiting.unwrap_or_default(),
                ended.unwrap_or_default()
            );
        }
        out.push('\n');
    }
    out
}

fn events(evidence: &Evidence) -> String {
    let mut notes: Vec<_> =
        evidence.view.events.iter().chain(evidence.view.pods.iter().flat_map(|pod| &pod.events)).collect();
    notes.sort_by_key(|note| std::cmp::Reverse(note.last));
    let mut out = String::new();
    for note in notes.into_iter().take(ENTRIES) {
        let _ = writeln!(
            out,
            "{} {} ×{} on {}: {}",
            note.last,
            note.reason,
            note.count,
            object(&note.object),
            shown(&note.message)
        );
    }
    out
}

fn nodes(evidence: &Evidence) -> String {
    let mut out = String::new();
    for claim in evidence.claims.iter().take(ENTRIES) {
        let phase = claim.phase.as_deref().unwrap_or("does not exist");
        let class = claim.class.as_deref().unwrap_or("default");
        let _ = writeln!(out, "claim {}: {phase}, class {class} (exists: {})", claim.name, claim.class_exists);
    }
    for node in evidence.nodes.iter().take(ENTRIES) {
        let _ = writeln!(
            out,
            "node {}: ready={} cordoned={} {} taints={}",
            node.name,
            node.ready,
            node.cordoned,
            node.trouble.join(", "),
            node.taints.len()
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(title: &'static str, text: &str, keep: Keep) -> Section {
        Section { title, text: text.into(), keep }
    }

    #[test]
    fn the_important_comes_first_and_what_does_not_fit_is_named() {
        let sections = [
            section("A", "first", Keep::Head),
            section("Empty", " \n", Keep::Head),
            section("Log", &format!("{}last line", "old line\n".repeat(200)), Keep::Tail),
            section("C", &"x".repeat(1000), Keep::Head),
        ];
        let text = assemble(&sections, 500);
        assert!(text.starts_with("## A\nfirst\n"), "{text}");
        assert!(text.contains("last line") && text.contains("characters left out"), "the end of a log stays: {text}");
        assert!(text.contains("no room: C."), "{text}");
        assert!(!text.contains("Empty"));
        assert!(text.chars().count() <= 560, "{}", text.chars().count());
        let all = assemble(&sections, 10_000);
        assert!(!all.contains("left out") && all.contains(&"x".repeat(1000)));
    }

    #[test]
    fn multibyte_text_is_cut_between_characters() {
        let text = assemble(&[section("Ü", &"äöü€".repeat(400), Keep::Tail)], 400);
        assert!(text.contains("left out"), "{text}");
    }
}
