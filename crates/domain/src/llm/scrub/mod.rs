//! What leaves the cluster passes here once: secrets and personal data go, what tells about the fault stays.
//!
//! What lives here: the rules in their order. What does not: what is sent (`context`), the patterns themselves (`rules`).

mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexBuilder};

use super::Problem;
use rules::Rules;

/// What stands where something was taken away.
pub const REMOVED: &str = "[removed]";
/// The setting that adds patterns.
pub const PATTERNS: &str = "CHATCLI_LOG_SCRUB_PATTERNS";
/// Beginnings of addresses whose path may have an `@`.
const WEB: [&str; 6] = ["http://", "https://", "docker://", "oci://", "ws://", "wss://"];
/// Most memory of one added pattern.
const PATTERN_SIZE: usize = 256 * 1024;

/// Takes secrets and personal data out of text.
#[derive(Clone, Debug)]
pub struct Scrubber {
    rules: Rules,
    added: Vec<Regex>,
}

impl Scrubber {
    /// The rules of the product, and the patterns of a setting, one a line. What a pattern matches is removed; with a group
    /// in it, what the first group matches.
    pub fn new(patterns: &str) -> Result<Self, Problem> {
        let rules = Rules::new().map_err(|error| Problem::new("scrubber", error.to_string(), "report this"))?;
        let mut added = Vec::new();
        for (number, pattern) in patterns.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let built = RegexBuilder::new(pattern.trim()).size_limit(PATTERN_SIZE).build();
            added.push(built.map_err(|error| {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Problem::new(
                    PATTERNS,
                    format!("line {}, \"{}\", is no regular expression ({why})", number + 1, pattern.trim()),
                    "correct it or take the line out; until then no language model is asked",
                )
            })?);
        }
        Ok(Self { rules, added })
    }

    /// The text without secrets and personal data.
    pub fn scrub(&self, text: &str) -> String {
        let rules = &self.rules;
        let text = shapes(rules, text);
        let text = rules.block.replace_all(&text, "$1 [removed]\n").into_owned();
        let text = rules.env.replace_all(&text, "$1[removed]").into_owned();
        let text = rules.env_after.replace_all(&text, "$1[removed]$2").into_owned();
        let text = replace(Cow::Owned(text), &rules.pair, pair);
        let text = rules.flag.replace_all(&text, "$1[removed]").into_owned();
        let mut text = rules.token.replace_all(&text, REMOVED).into_owned();
        text = rules.personal.replace_all(&text, REMOVED).into_owned();
        text = replace(Cow::Owned(text), &rules.card, |found| luhn(&group(found, 0)).then(|| REMOVED.to_owned()))
            .into_owned();
        for pattern in &self.added {
            text = replace(Cow::Owned(text), pattern, |found| {
                let whole = found.get(0)?;
                let part = found.get(1).unwrap_or(whole);
                if part.is_empty() || part.as_str().contains(REMOVED) {
                    return None;
                }
                let before = whole.as_str().get(..part.start() - whole.start())?;
                let after = whole.as_str().get(part.end() - whole.start()..)?;
                Some(format!("{before}{REMOVED}{after}"))
            })
            .into_owned();
        }
        text
    }
}

/// Takes out what shows by its own form that it is a credential: keys, and passwords in addresses and headers.
fn shapes(rules: &Rules, text: &str) -> String {
    let text = rules.pem.replace_all(text, "$1[removed]$2");
    let text = replace(text, &rules.url, |found| {
        let userinfo = found.get(2).map_or("", |m| m.as_str());
        // `docker://registry:5000/app@sha256:…` has a port, no password; addresses of stores have no `@` behind a path.
        let scheme = group(found, 1).to_ascii_lowercase();
        let port = WEB.contains(&scheme.as_str())
            && userinfo.split_once(':').is_some_and(|(_, rest)| {
                let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                digits.len() < rest.len() && digits.starts_with(['/', '?'])
            });
        let path_first = userinfo.find('/').is_some_and(|slash| userinfo.find(':').is_none_or(|at| slash < at));
        (!userinfo.is_empty() && !port && !path_first).then(|| format!("{}{REMOVED}@", &group(found, 1)))
    });
    let text = rules.dsn.replace_all(&text, "${1}[removed]@$2").into_owned();
    rules.authorization.replace_all(&text, "$1$2 [removed]").into_owned()
}

static PLAIN: LazyLock<Option<Scrubber>> = LazyLock::new(|| Scrubber::new("").ok());

/// A sentence or a value without credentials, for resources and messages: keys, tokens, and passwords in addresses go by
/// their form; the words around them stay. Control characters, which a terminal or a log might obey, become spaces.
pub fn told(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), " ");
    // Without rules nothing may pass; a test holds that they can be built.
    PLAIN.as_ref().map_or_else(
        || REMOVED.to_owned(),
        |plain| plain.rules.token.replace_all(&shapes(&plain.rules, &text), REMOVED).into_owned(),
    )
}

/// Lines of a log without secrets and personal data, by the rules of the product.
pub fn logged(text: &str) -> String {
    PLAIN.as_ref().map_or_else(|| REMOVED.to_owned(), |plain| plain.scrub(text))
}

/// Replaces what `with` gives something for; the rest stays.
fn replace<'a>(text: Cow<'a, str>, pattern: &Regex, with: impl Fn(&Captures<'_>) -> Option<String>) -> Cow<'a, str> {
    let replaced = pattern.replace_all(&text, |found: &Captures<'_>| with(found).unwrap_or_else(|| group(found, 0)));
    match replaced {
        Cow::Borrowed(_) => text,
        Cow::Owned(new) => Cow::Owned(new),
    }
}

fn group(found: &Captures<'_>, number: usize) -> String {
    found.get(number).map_or_else(String::new, |m| m.as_str().to_owned())
}

/// `password: x`, `"token": "x"`, `API_KEY=x`: the value goes, unless the key only talks about a secret.
fn pair(found: &Captures<'_>) -> Option<String> {
    let (key, separator, value) = (group(found, 2), group(found, 3), group(found, 4));
    let bare = value.trim_matches(|c| matches!(c, '"' | '\'' | '\\'));
    if bare.is_empty()
        || bare.starts_with(REMOVED.trim_end_matches(']'))
        || matches!(bare, "true" | "false" | "null" | "{" | "[" | "nil")
    {
        return None;
    }
    let lower = key.to_ascii_lowercase().replace(['-', '_', '.'], "");
    if rules::TALKS_ABOUT.iter().any(|end| lower.ends_with(end)) {
        return None;
    }
    // Quotes stay: what is left must still be readable as JSON or YAML.
    let open: String = value.chars().take_while(|c| matches!(c, '"' | '\'' | '\\')).collect();
    let close = if open.is_empty() || !value.ends_with(open.as_str()) { "" } else { open.as_str() };
    Some(format!("{}{key}{separator}{open}{REMOVED}{close}", group(found, 1)))
}

/// The check digit of card numbers.
fn luhn(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    (14..=16).contains(&digits.len()) && sum.is_multiple_of(10)
}
