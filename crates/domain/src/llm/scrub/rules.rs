//! The patterns of the scrubber.

use regex::Regex;

/// Words that make a key one of a secret.
const SECRET: &str = r"(?:password|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|account[_-]?key|shared[_-]?access[_-]?(?:key|signature)|credentials?|session[_-]?id|cookie|connection[_-]?string|dsn|senha|x-amz-signature|signature)";
/// A value: quoted, with backslashes when it stands in a string of JSON, or bare up to where such a value can end.
const VALUE: &str = r#"(?:\[removed\]|\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'[^'\n]*'|[^\s,;&"'}\]]+)"#;

/// Ends of keys that talk about a secret and hold none: names of objects, places, times, counts.
pub(super) const TALKS_ABOUT: [&str; 24] = [
    "name",
    "names",
    "ref",
    "keyref",
    "secrets",
    "tokens",
    "seconds",
    "path",
    "file",
    "dir",
    "mount",
    "kind",
    "type",
    "version",
    "policy",
    "enabled",
    "required",
    "length",
    "size",
    "ttl",
    "count",
    "uid",
    "resourceversion",
    "audience",
];

/// All patterns.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// PEM blocks: 1 the first line, 2 the last, if it is there.
    pub(super) pem: Regex,
    /// User and password of a URL: 1 the scheme, 2 both.
    pub(super) url: Regex,
    /// `user:password@tcp(…)`.
    pub(super) dsn: Regex,
    /// A header: 1 its name, 2 the scheme.
    pub(super) authorization: Regex,
    /// A block of YAML under the key of a secret.
    pub(super) block: Regex,
    /// An environment variable of a manifest, name before value.
    pub(super) env: Regex,
    /// The same, value before name.
    pub(super) env_after: Regex,
    /// Key and value: 1 what is before, 2 the key, 3 what separates, 4 the value.
    pub(super) pair: Regex,
    /// A flag with its value as the next word.
    pub(super) flag: Regex,
    /// Tokens that are known by their form.
    pub(super) token: Regex,
    /// E-mail addresses, telephone and tax numbers.
    pub(super) personal: Regex,
    /// What may be a card number.
    pub(super) card: Regex,
}

impl Rules {
    pub(super) fn new() -> Result<Self, regex::Error> {
        let key = format!(r"[\w.-]*{SECRET}[\w.-]*");
        Ok(Self {
            pem: Regex::new(r"(-----BEGIN [A-Z0-9 ]+-----)(?s:.*?)(-----END [A-Z0-9 ]+-----|\z)")?,
            url: Regex::new(r#"\b([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s"'<>@]*(?:@[^\s"'<>@/?#]*)*?)@"#)?,
            dsn: Regex::new(r"(\b[\w.-]+:)[^\s@]+@((?:tcp|udp|unix)?\()")?,
            authorization: Regex::new(
                r#"(?i)\b((?:proxy-)?authorization["']?[ \t]*[:=][ \t]*\\?["']?)?(bearer|basic|digest|negotiate|apikey)[ \t]+[A-Za-z0-9._~+/=-]{8,}"#,
            )?,
            block: Regex::new(&format!(
                r#"(?im)^([ \t]*(?:-[ \t]+)?["']?{key}["']?[ \t]*:)[ \t]*[|>][+-]?[0-9]?[ \t]*\n(?:[ \t]+[^\n]*(?:\n|\z))+"#
            ))?,
            env: Regex::new(&format!(
                r#"(?i)(\bname\\?["']?[ \t]*[:=][ \t]*\\?["']?{key}\\?["']?[ \t]*,?\s*\\?["']?value\\?["']?[ \t]*[:=][ \t]*){VALUE}"#
            ))?,
            env_after: Regex::new(&format!(
                r#"(?i)(\bvalue\\?["']?[ \t]*[:=][ \t]*){VALUE}([ \t]*,?\s*\\?["']?name\\?["']?[ \t]*[:=][ \t]*\\?["']?{key})"#
            ))?,
            pair: Regex::new(&format!(
                r#"(?im)(^[ \t]*(?:-[ \t]+)?|[\s,;&?{{("'\\]|\b)({key})(\\?["']?[ \t]*(?::=|=>|[:=])[ \t]*)({VALUE})"#
            ))?,
            flag: Regex::new(&format!(r#"(?im)((?:^|[\s"'\[(,])--?{key}[ \t]+)[^\s-][^\s]*"#))?,
            token: Regex::new(concat!(
                r"\b(?:sk-[A-Za-z0-9_-]{16,}|(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}",
                r"|glpat-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{12,}|xox[a-z]-[A-Za-z0-9-]{8,}",
                r"|xapp-[A-Za-z0-9-]{8,}|AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z_-]{16,}|npm_[A-Za-z0-9]{20,}",
                r"|hf_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|dop_v1_[a-f0-9]{32,}",
                r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}",
                r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?",
                r"|hooks\.slack\.com/services/[A-Za-z0-9/_-]+)",
            ))?,
            personal: Regex::new(concat!(
                r"\b[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
                r"|\+\d{1,3}[ .-]?\(?\d{2,4}\)?[ .-]?\d{3,5}[ .-]?\d{3,5}\b",
                r"|\b\d{3}\.\d{3}\.\d{3}-\d{2}\b|\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b|\b\d{3}-\d{2}-\d{4}\b",
            ))?,
            card: Regex::new(r"\b[3-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{2,4}\b|\b3\d{3}[ -]?\d{6}[ -]?\d{4,5}\b")?,
        })
    }
}
