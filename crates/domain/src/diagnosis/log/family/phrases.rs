//! The phrases by which a family is known.

use std::sync::LazyLock;

use regex::Regex;

use super::Family;
use super::table::PHRASES;
use crate::diagnosis::log::pattern;

/// Families that need more than a phrase, looked for before and after those.
struct Forms {
    bind_denied: Regex,
    bind: Regex,
    shell_missing: Regex,
    exec_missing: Regex,
    status: Regex,
    refused: Regex,
    variable: Regex,
    variable_first: Regex,
}

impl Forms {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            bind_denied: pattern(
                r"(?i)(?:\bbind|\blisten)\w*\b.{0,60}(?:permission denied|eacces|access denied|forbidden)|eacces.{0,40}:(?:[1-9]\d{0,2}|10[01]\d|102[0-3])\b|access permissions.{0,20}socket",
            )?,
            bind: pattern(
                r"(?i)(?:fail\w*|cannot|can't|could not|couldn't|unable|error|not)\b.{0,20}\b(?:bind|listen)\w*\b.{0,40}\bport\b|\b(?:bind|listen)\w*\b.{0,30}\bport\b.{0,20}\bfail",
            )?,
            shell_missing: pattern(
                r"(?i)(?:^|/)(?:ba|da|a|z|k)?sh: .*: (?:command )?not found\s*$|\.sh: .*: (?:command )?not found\s*$",
            )?,
            exec_missing: pattern(
                r"(?i)(?:\bexec\b|\benv: |fork/exec|\bspawn\b|sh: (?:\d+: |line \d+: )?/).{0,200}(?:no such file or directory|enoent|not found)",
            )?,
            status: pattern(
                r"(?i)(?:status|http|code|response|error)\w*[ :=(/]{1,3}(?:code )?[:=]? ?(?:1\.[01] )?40[13]\b|\b40[13] (?:unauthorized|forbidden|client error)",
            )?,
            refused: pattern(
                r"(?i)connection to .{1,100} refused|can't connect to .{1,100}\((?:111|61)\b|failed to connect to|couldn't connect to server|could not connect to (?:server|the)|cannot connect to|can't connect to|unable to connect",
            )?,
            variable: pattern(
                r#"(?i)\b(?:env(?:ironment)?(?: |_)?(?:var(?:iable)?)?s?|variables?)\b[ :=]{0,3}["'`$({]*[a-z_][a-z0-9_]*["'`)}]*,?:? ?(?:is |was |are |must be |has |needs to be |to be )*(?:not|un(?:set|defined|bound)|required|missing|empty|needed|set\b)|(?:missing|required|undefined|unset|no|need|needs|expects?|requires?|without|specify|provide|define|set)\b[^.]{0,40}\benv(?:ironment)?(?: |_)?var"#,
            )?,
            variable_first: pattern(
                r#"["'`${]*\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b["'`}]*:? ?(?:env(?:ironment)?(?: var(?:iable)?)? )?(?:is |was |are |has to be |needs to be |must be |should be |variable )*(?:not (?:been )?(?:set|defined|found|provided|specified|configured|present|given|available)|undefined|unset|required|missing|empty|set\b|unbound|parameter not set|parameter null)|(?i:missing|required|undefined|unset|need|needs|expects?|requires?|specify|provide|define|please set|must set)(?: [a-zA-Z]+){0,4}[: ]*["'`${]*\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|KeyError: ['"][A-Z][A-Z0-9_]+['"]"#,
            )?,
        })
    }
}

static FORMS: LazyLock<Option<Forms>> = LazyLock::new(|| Forms::new().ok());

/// The family of a text.
pub(super) fn family(text: &str) -> Option<Family> {
    if text.is_empty() {
        return None;
    }
    let lower = text.to_lowercase();
    let forms = FORMS.as_ref()?;
    if forms.bind_denied.is_match(text) {
        return Some(Family::PortDenied);
    }
    if forms.shell_missing.is_match(text) || forms.exec_missing.is_match(text) {
        return Some(Family::CommandMissing);
    }
    let by_phrase = PHRASES.iter().find(|(_, phrases)| phrases.iter().any(|p| lower.contains(p))).map(|(f, _)| *f);
    // A missing variable may be called a missing key or an invalid configuration too; the variable says more.
    let weak = matches!(by_phrase, None | Some(Family::SettingMissing | Family::Invalid | Family::FlagUnknown));
    if weak && (forms.variable.is_match(text) || forms.variable_first.is_match(text)) {
        return Some(Family::VariableMissing);
    }
    if by_phrase.is_some() {
        return by_phrase;
    }
    if forms.bind.is_match(text) {
        return Some(Family::PortTaken);
    }
    if forms.status.is_match(text) {
        return Some(Family::Unauthorized);
    }
    forms.refused.is_match(text).then_some(Family::Refused)
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_patterns_are_good() {
        super::Forms::new().unwrap();
    }
}
