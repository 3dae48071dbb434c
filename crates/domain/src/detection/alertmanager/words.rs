//! The words of an alert: what its author wrote, bounded, on one line, without secrets.

use super::Notice;
use crate::llm::{REMOVED, Scrubber};

/// Longest message, in characters.
const MESSAGE: usize = 1024;
/// Longest list of labels, in characters.
const LABELS: usize = 2048;
/// Longest name of an alert, in characters.
const NAME: usize = 120;
/// Annotations that tell what is wrong, the shortest first.
const TELLING: [&str; 4] = ["summary", "message", "description", "title"];

/// What is told of an alert.
pub(super) struct Words {
    /// What is wrong, in a sentence or two.
    pub(super) message: String,
    /// What is observed.
    pub(super) value: String,
    /// Its labels, as evidence.
    pub(super) labels: String,
}

impl Words {
    pub(super) fn of(notice: &Notice, scrubber: Option<&Scrubber>) -> Self {
        let clean = |text: &str, longest: usize| {
            // A little more than is kept, so that a secret at the end is still known as one.
            let text = line(text, longest * 2);
            // Without its rules nothing of a foreign text may pass.
            let text = scrubber.map_or_else(|| REMOVED.to_owned(), |scrubber| scrubber.scrub(&text));
            cut(&text, longest)
        };
        let name = clean(notice.name(), NAME);
        let name = if name.is_empty() { "an alert without a name".to_owned() } else { name };
        let told: Vec<&str> = TELLING
            .iter()
            .filter_map(|key| notice.annotations.get(*key))
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .take(2)
            .collect();
        let message = match told.as_slice() {
            [] => format!("{name} fires in Alertmanager, without a description"),
            [one] => format!("{name}: {}", clean(one, MESSAGE)),
            [short, long, ..] => format!("{name}: {}; {}", clean(short, MESSAGE / 2), clean(long, MESSAGE / 2)),
        };
        let all: Vec<String> = notice.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self { message: cut(&message, MESSAGE), value: format!("{name} fires"), labels: clean(&all.join(", "), LABELS) }
    }
}

/// The beginning of a text as one line.
fn line(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for letter in text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }) {
        if letter != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(letter);
        }
        if out.len() >= longest {
            break;
        }
    }
    out.trim_end().to_owned()
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
