//! The text in which applications tell their numbers: the exposition format of Prometheus, and OpenMetrics.
//!
//! What is not of that format is passed over line by line: whoever answers may be anything.

use std::borrow::Cow;

/// Bytes of a line above which it is no sample that anybody wants.
const LONGEST: usize = 16 * 1024;
/// Labels of a sample that are looked at.
const LABELS: usize = 64;

/// One number with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric, with its ending: `http_requests_total`.
    pub name: &'a str,
    /// What stands between the braces.
    inner: &'a str,
    /// The number; never NaN, never infinite.
    pub value: f64,
}

/// The samples of a text.
pub fn samples(body: &[u8]) -> impl Iterator<Item = Sample<'_>> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| line.len() <= LONGEST)
        .filter_map(|line| Sample::of(std::str::from_utf8(line).ok()?.trim()))
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_' || c == b':')
        && bytes.all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b':')
}

/// Where the braces end that began before this text.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

impl<'a> Sample<'a> {
    fn of(line: &'a str) -> Option<Self> {
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
        let (name, rest) = line.split_at_checked(end)?;
        if !is_name(name) {
            return None;
        }
        let rest = rest.trim_start();
        let (inner, rest) = match rest.strip_prefix('{') {
            Some(inside) => {
                let end = closing(inside)?;
                (inside.get(..end)?, inside.get(end + 1..)?)
            }
            None => ("", rest),
        };
        // A time and an exemplar may follow; nobody here reads them.
        let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        value.is_finite().then_some(Self { name, inner, value })
    }

    /// The labels, with their values as they are meant.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        let mut rest = self.inner;
        std::iter::from_fn(move || {
            let (name, after) = rest.split_once('=')?;
            let value = after.trim_start().strip_prefix('"')?;
            let mut escaped = false;
            let end = value.bytes().position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            })?;
            let raw = value.get(..end)?;
            rest = value.get(end + 1..)?.trim_start().trim_start_matches(',');
            Some((name.trim(), unescaped(raw)))
        })
        .take(LABELS)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        self.labels().find(|(label, _)| *label == name).map(|(_, value)| value)
    }
}

fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            (char, false) => text.push(char),
        }
    }
    Cow::Owned(text)
}
