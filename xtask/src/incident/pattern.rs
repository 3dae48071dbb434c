//! Regular expressions of cases.

use anyhow::Context;
use fancy_regex::Regex;

/// A regular expression of a case, as it was written there.
pub struct Pattern {
    /// Its text.
    pub text: String,
    found: Regex,
    whole: Regex,
}

impl Pattern {
    /// Compiles one.
    ///
    /// # Errors
    /// When it is no expression.
    pub fn new(text: &str) -> anyhow::Result<Self> {
        // Case is ignored, and `.` matches a line break too.
        let compile = |text: String| Regex::new(&text).with_context(|| format!("the expression {text:?} is wrong"));
        Ok(Self {
            text: text.to_owned(),
            found: compile(format!("(?is){text}"))?,
            whole: compile(format!(r"(?is)\A(?:{text})\z"))?,
        })
    }

    /// Compiles several.
    ///
    /// # Errors
    /// When one is no expression.
    pub fn all(texts: &[String]) -> anyhow::Result<Vec<Self>> {
        texts.iter().map(|text| Self::new(text)).collect()
    }

    /// Whether it is found in a text.
    pub fn is_in(&self, text: &str) -> bool {
        self.found.is_match(text).unwrap_or(false)
    }

    /// Whether it matches all of a text.
    pub fn is(&self, text: &str) -> bool {
        self.whole.is_match(text).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_ignore_case_and_go_over_line_breaks() {
        let pattern = Pattern::new("config(?!uration).{0,9}map").unwrap();
        assert!(pattern.is_in("the Config\nMAP x") && !pattern.is_in("configuration map"));
        let either = Pattern::new("a|b").unwrap();
        assert!(either.is("B") && !either.is("ab"), "each side is matched whole");
    }
}
