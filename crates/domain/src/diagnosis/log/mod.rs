//! What the log of a container says: the line that matters, once, with its count.
//!
//! `clean` makes lines safe to look at, `record` reads their form, `trace` condenses stack traces, `fold` folds repeats,
//! and `family` tells what kind of trouble a line is about. Here they are put together, and the line that matters is
//! chosen. What follows from it is not said here.

mod clean;
mod family;
mod fold;
mod record;
mod trace;

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use self::record::Level;
use super::{Evidence, LogTail};

pub(super) use clean::cut;
pub(super) use family::{Access, Family, Told};

/// Characters of an entry that are kept.
const TEXT: usize = 600;
/// Characters of an entry that are quoted in a sentence.
const QUOTE: usize = 110;
/// The same, beside a clause that says what it is about.
const SHORT: usize = 72;
/// Characters of an entry in the list of them.
const SHOWN: usize = 300;
/// Entries that are kept, from the end.
const ENTRIES: usize = 50;
/// Indented lines below a message that belong to it.
const BELOW: usize = 6;

/// One thing that a log says, perhaps many times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The message.
    pub(super) text: String,
    /// Place in the application, of a stack trace.
    pub(super) frame: Option<String>,
    /// What was said with it: fields, lines below it, outer exceptions.
    pub(super) around: String,
    /// How often it was said.
    pub(super) count: usize,
    level: Level,
    /// What it tells of, if it is known.
    pub(super) told: Option<Told>,
}

impl Entry {
    /// The entry for a sentence: short, with its place.
    pub(super) fn quote(&self) -> String {
        self.quote_of(QUOTE)
    }

    /// The entry for a sentence that says the same in its own words: shorter still.
    pub(super) fn short(&self) -> String {
        self.quote_of(SHORT)
    }

    fn quote_of(&self, limit: usize) -> String {
        // Quotes in quotes read badly.
        let text = cut(&self.text, limit).replace(['"', '\\'], "'");
        self.frame.as_ref().map_or_else(|| format!("{text:?}"), |frame| format!("{text:?} at {}", cut(frame, 60)))
    }

    /// The entry for a list: with its count.
    fn line(&self) -> String {
        let mut line = cut(&self.text, SHOWN);
        if let Some(frame) = &self.frame {
            let _ = write!(line, " (at {})", cut(frame, 100));
        }
        if self.count > 1 {
            let _ = write!(line, " (×{})", self.count);
        }
        line
    }

    /// Whether it says a word as a whole, or something said with it does.
    pub(super) fn mentions(&self, word: &str) -> bool {
        mentions(&self.text, word) || mentions(&self.around, word)
    }

    /// Its family.
    pub(super) fn family(&self) -> Option<Family> {
        self.told.as_ref().and_then(|told| told.family)
    }

    /// How much it sounds like the reason for an end.
    fn weight(&self) -> i32 {
        const STRONG: [&str; 12] = [
            "panic",
            "fatal",
            "exception",
            "traceback",
            "error",
            "cannot",
            "can't",
            "could not",
            "couldn't",
            "failed",
            "unable",
            "abort",
        ];
        const WEAK: [&str; 14] = [
            "not defined",
            "not set",
            "missing",
            "required",
            "invalid",
            "refused",
            "denied",
            "no such",
            "stopping",
            "unknown",
            "not found",
            "exiting",
            "giving up",
            "timeout",
        ];
        // What a program says when it goes on all the same.
        const HARMLESS: [&str; 8] = [
            "using default",
            "falling back",
            "ignoring",
            "skipping",
            "deprecat",
            "continuing without",
            "will be ignored",
            "optional",
        ];
        let text = self.text.to_lowercase();
        let any = |words: &[&str], value: i32| if words.iter().any(|w| text.contains(w)) { value } else { 0 };
        let level = match self.level {
            Level::Debug => -6,
            Level::Info => -4,
            Level::Silent | Level::Warning => 0,
            Level::Error => 4,
            Level::Fatal => 6,
        };
        let family = if self.told.is_some() { 4 } else { 0 };
        let trace = if self.frame.is_some() { 3 } else { 0 };
        level + family + trace + any(&STRONG, 2) + any(&WEAK, 1) + any(&HARMLESS, -5)
    }
}

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// What it says, oldest first.
    pub(super) entries: Vec<Entry>,
    /// Ports that the process says it listens on.
    pub(super) listens: Vec<u16>,
    decisive: Option<usize>,
    /// Whether the decisive entry sounds like trouble; else it is only the last one.
    sounds: bool,
}

impl Reading {
    /// The entry that says why a process ended: the last one among those that sound most like it.
    pub(super) fn decisive(&self) -> Option<&Entry> {
        self.decisive.and_then(|at| self.entries.get(at))
    }

    /// The entry that tells of trouble, in the log of a process that runs; none when nothing sounds like it.
    pub(super) fn trouble(&self) -> Option<&Entry> {
        self.decisive().filter(|_| self.sounds)
    }

    /// The entries as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.entries.iter().map(Entry::line).collect()
    }
}

/// Reads the log of the container that shows the symptom.
pub(super) fn read(evidence: &Evidence) -> Reading {
    let container = evidence.container();
    let pod = evidence.symptom.pod.as_ref().map(|p| p.name.as_str());
    let ours = |l: &&LogTail| l.container == container;
    let all = &evidence.logs;
    let tail = all.iter().filter(ours).find(|l| Some(l.pod.as_str()) == pod).or_else(|| all.iter().find(ours));
    of_lines(tail.map(|t| t.lines.as_slice()).unwrap_or_default())
}

/// Reads lines, oldest first.
pub(super) fn of_lines(raw: &[String]) -> Reading {
    let lines = clean::lines(raw);
    let mut entries = entries(&lines, true);
    let listens = listens(&entries);
    entries = fold::fold(entries);
    entries.drain(..entries.len().saturating_sub(ENTRIES));
    for entry in &mut entries {
        // A line that is only information tells of no trouble, whatever words it has.
        if entry.level >= Level::Silent {
            entry.told = family::read(&entry.text, &entry.around);
        }
    }
    let best = entries.iter().enumerate().max_by_key(|(index, entry)| (entry.weight(), *index));
    let sounds = best.is_some_and(|(_, entry)| entry.weight() >= 3);
    Reading { decisive: best.map(|(index, _)| index), sounds, listens, entries }
}

/// Puts lines together to entries. A trace in a field of a structured line is read the same way, once.
fn entries(lines: &[String], structured: bool) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let (mut at, mut below) = (0, 0);
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        let skip = trace::source(rest);
        if skip > 0 {
            at += skip;
            continue;
        }
        if let Some((trace, used)) = trace::take(rest) {
            found.push(of_trace(trace));
            (at, below) = (at + used.max(1), BELOW);
            continue;
        }
        at += 1;
        if !line.chars().any(char::is_alphanumeric) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && below < BELOW
            && let Some(before) = found.last_mut()
        {
            // What is indented belongs to the message above it.
            below += 1;
            before.around.push(' ');
            before.around.push_str(&cut(line, TEXT));
            continue;
        }
        below = 0;
        let record = record::read(line);
        if structured && let Some(stack) = &record.stack {
            let inner: Vec<String> = stack.lines().map(str::to_owned).collect();
            let inner = clean::lines(&inner);
            if let Some((trace, _)) = trace::take(&inner) {
                let mut entry = of_trace(trace);
                entry.around = format!("{} {} {}", entry.around, record.text, record.fields);
                entry.level = entry.level.max(record.level);
                found.push(entry);
                continue;
            }
        }
        found.push(Entry {
            text: cut(&record.text, TEXT),
            around: record.fields,
            count: 1,
            level: record.level,
            ..Entry::default()
        });
    }
    found.retain(|entry| !entry.text.is_empty());
    found
}

fn of_trace(trace: trace::Trace) -> Entry {
    Entry {
        text: cut(&trace.text, TEXT),
        frame: trace.frame,
        around: cut(&trace.around, TEXT * 2),
        count: 1,
        level: trace.level,
        told: None,
    }
}

/// A pattern that keeps little memory between lines, however many of them there are.
fn pattern(text: &str) -> Result<Regex, regex::Error> {
    const KEPT: usize = 128 * 1024;
    RegexBuilder::new(text).dfa_size_limit(KEPT).build()
}

static LISTENS: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(LISTEN).ok());
const LISTEN: &str = r"(?i)\b(?:listen|serv|start|running|run|bound|accept|ready)\w*\b.{0,60}?(?:\bports?\b(?:\(s\))?[ :=]{0,3}|:)(\d{2,5})\b";

/// Ports that a process says it listens on.
fn listens(entries: &[Entry]) -> Vec<u16> {
    let Some(form) = LISTENS.as_ref() else { return Vec::new() };
    let calm = entries.iter().filter(|entry| entry.weight() <= 0);
    let mut ports: Vec<u16> = calm
        .flat_map(|entry| form.captures_iter(&entry.text).filter_map(|found| found.get(1)?.as_str().parse().ok()))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What a message that is no log line tells of: one of the kubelet, of a probe, of a termination.
pub(super) fn told(message: &str) -> Option<Told> {
    family::read(message, "")
}

/// Whether a line speaks of a word: as a whole, not inside another one.
pub(super) fn mentions(line: &str, word: &str) -> bool {
    whole(line, word, |c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a line speaks of the name of an object: `db` is not `db-replica`.
pub(super) fn names(line: &str, word: &str) -> bool {
    whole(line, word, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn whole(line: &str, word: &str, inside: impl Fn(char) -> bool) -> bool {
    if word.len() < 3 {
        return false;
    }
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(&inside) && !after.is_some_and(&inside)
    })
}

#[cfg(test)]
mod tests;
