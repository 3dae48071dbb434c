//! What a text names: the forms in which tools and runtimes write hosts, files, variables and accounts.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Access, Family, Told};
use crate::diagnosis::log::pattern;

struct Forms {
    hosts: Vec<Regex>,
    lookups: Vec<Regex>,
    ports: Vec<Regex>,
    variables: Vec<Regex>,
    settings: Vec<Regex>,
    files: Vec<Regex>,
    commands: Vec<Regex>,
    flags: Vec<Regex>,
    values: Vec<Regex>,
    position: Vec<Regex>,
    access: Regex,
}

/// Endings of names that are files and no hosts: `main.go:12` is a place in a program.
const FILES: [&str; 25] = [
    ".go", ".rs", ".py", ".js", ".ts", ".mjs", ".cjs", ".java", ".kt", ".scala", ".cs", ".rb", ".php", ".c", ".cc",
    ".cpp", ".h", ".yaml", ".yml", ".json", ".conf", ".toml", ".ini", ".xml", ".sh",
];

impl Forms {
    fn new() -> Result<Self, regex::Error> {
        let all = |patterns: &[&str]| patterns.iter().map(|p| pattern(p)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            // Name first, then its port, each form by itself.
            hosts: all(&[
                r#"(?i)\b[a-z][a-z0-9+.-]*://(?:[^/@\s"']*@)?(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"#,
                r#"(?i)\bhost(?:name)?\s?[=:]?\s?["'](?P<host>[A-Za-z0-9._-]+)["'](?:.{0,80}?\bport\s?[=:]?\s?(?P<port>\d{1,5}))?"#,
                r#"(?i)\bserver (?:at|on) ["'](?P<host>[A-Za-z0-9._-]+):(?P<port>\d{1,5})["']"#,
                r#"(?i)\bserver (?:at|on) ["'](?P<host>[A-Za-z0-9._-]+)(?::\d+)?["'](?:.{0,60}?(?:port |:)(?P<port>\d{1,5}))?"#,
                r"\b(?P<host>[A-Za-z][A-Za-z0-9._-]*) ?\((?:\d{1,3}\.){3}\d{1,3}:(?P<port>\d{1,5})\)",
                r"\b(?P<host>[A-Za-z][A-Za-z0-9._-]*)/(?:(?:\d{1,3}\.){3}\d{1,3}|<unresolved>):(?P<port>\d{1,5})\b",
                r"(?i)\bto (?:host )?(?P<host>[A-Za-z0-9._-]+),? (?:on )?port (?P<port>\d{1,5})\b",
                r"(?i)\b(?:host|hostname|addr|address|server)[=:] ?(?P<host>[A-Za-z0-9._-]+)(?::| port=)(?P<port>\d{1,5})\b",
                r"\b(?P<host>[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*):(?P<port>\d{2,5})\b",
                r"\b(?P<host>(?:\d{1,3}\.){3}\d{1,3})(?::(?P<port>\d{1,5}))?\b",
                r"(?i)\b(?:host|hostname|addr|address)[=:] ?(?P<host>[A-Za-z0-9._-]+)",
            ])?,
            lookups: all(&[
                r"(?i)\blookup (?P<host>[A-Za-z0-9._-]+)",
                r"(?i)\b(?:ENOTFOUND|EAI_AGAIN) (?P<host>[A-Za-z0-9._-]+)",
                r#"(?i)\bbad address ["']?(?P<host>[A-Za-z0-9._-]+)"#,
                r#"(?i)UnknownHostException:? (?:Failed to resolve )?["']?(?P<host>[A-Za-z0-9._-]+)"#,
                r#"(?i)\bhost ?name:? ["']?(?P<host>[A-Za-z0-9._-]+)["']? to address"#,
                r#"(?i)\bresolve (?:the )?(?:(?:host ?name|host|address|name):? )*["']?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*)"#,
                r#"(?i)\bunknown host:? ["'(]?(?P<host>[A-Za-z0-9._-]+)"#,
                r"(?i)(?:not known|not provided|name resolution)[^(]{0,20}\((?P<host>[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?\)",
                r#"(?i)(?:can't|cannot|can not) find ["']?(?P<host>[A-Za-z0-9._-]+)"#,
                r#"(?i)\bhost not found[^"']{0,40}["'](?P<host>[A-Za-z0-9._-]+)"#,
                r#"(?i)["'](?P<host>[A-Za-z0-9.-]+)["'],? ?(?:port|:)"#,
            ])?,
            ports: all(&[
                r"(?i)\bport[ =:#(]{0,3}(?P<port>\d{1,5})\b",
                r"(?:(?:\d{1,3}\.){3}\d{1,3}|\[?::\]?|\*|localhost|:):(?P<port>\d{1,5})\b",
                r"[: (](?P<port>\d{2,5})\b",
            ])?,
            variables: all(&[
                r#"(?i)\b(?:env(?:ironment)?[ _]var(?:iable)?s?|env|variables?)\b(?:s)?[ :=(]{0,3}["'`${(]*(?P<name>[A-Z][A-Z0-9_]+)\b"#,
                r#"KeyError: ['"](?P<name>[A-Za-z_][A-Za-z0-9_]*)['"]"#,
                r#"["'`${]*\b(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b"#,
                r#"["'`${]*\b(?P<name>[A-Z][A-Z0-9]{2,})\b["'`}]*:? ?(?:env|variable|is |was |must |not |unbound|parameter)"#,
            ])?,
            settings: all(&[
                r#"(?i)placeholder ['"](?P<name>[A-Za-z0-9._-]+)"#,
                r#"(?i)(?:key|property|setting|parameter|field|option|value)\b[ :]{0,2}["'`]?(?P<name>[A-Za-z][A-Za-z0-9._-]*)"#,
                r#"["'`](?P<name>[A-Za-z][A-Za-z0-9._-]*)["'`]"#,
            ])?,
            files: all(&[
                r#"["'`](?P<path>/[^"'`\s]+)["'`]"#,
                r#"(?:^|[\s(=:\[,])(?P<path>/[A-Za-z0-9._@%+-][^\s"'`:,;()\]]*)"#,
                r#"(?i)(?:open|read|load|find|stat|access|file|path|opening|reading|loading|directory:)\w*:? ["'`]?(?P<path>\.{0,2}/?[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*\.[A-Za-z0-9]+)\b"#,
            ])?,
            commands: all(&[
                r#"(?i)exec: "(?P<name>[^"]+)""#,
                r#"(?i)(?:unable to start container process: )?exec:? (?P<name>[^\s:"]+): (?:no such|not found|permission)"#,
                r#"(?i)(?:sh|env|exec|spawn)(?:: (?:line )?\d+)?:? ["'‘`]?(?P<name>[^\s:"'’`]+)["'’`]?(?:: | )(?:command )?(?:not found|no such|ENOENT|inaccessible)"#,
                r"(?P<name>[^\s:]+): (?:command )?not found\s*$",
            ])?,
            flags: all(&[
                r"(?P<name>--?[A-Za-z][A-Za-z0-9_.-]*)",
                r#"(?i)(?:command|argument|option)s?:? ["'`]?(?P<name>[A-Za-z][A-Za-z0-9_-]*)"#,
            ])?,
            values: all(&[
                r#"(?i)For input string: "(?P<value>[^"]*)""#,
                r#"(?i)(?:parsing|parse|value|literal[^:]*:|url|port|directive|input|got|character|near|format|token|host) ["'`](?P<value>[^"'`]{1,120})["'`]"#,
                r#"["'`](?P<value>[^"'`]{1,120})["'`]"#,
            ])?,
            position: all(&[r"(?:/[A-Za-z0-9._@%+/-]+):(?P<line>\d{1,6})\b", r"(?i)\bline (?P<line>\d{1,6})\b"])?,
            access: pattern(
                r#"(?i)User "(?:system:serviceaccount:(?P<ns>[a-z0-9.-]+):(?P<sa>[a-z0-9.-]+)|(?P<user>[^"]+))" cannot (?P<verb>[a-z]+) (?:resource "(?P<res>[^"]+)" in API group "(?P<group>[^"]*)"|path "(?P<path>[^"]+)")(?: (?:in the namespace "(?P<place>[^"]+)"|at the cluster scope))?"#,
            )?,
        })
    }
}

static FORMS: LazyLock<Option<Forms>> = LazyLock::new(|| Forms::new().ok());

/// What a text of a family names.
pub(super) fn read(family: Family, text: &str) -> Told {
    let mut told = Told::default();
    let Some(forms) = FORMS.as_ref() else { return told };
    match family {
        Family::Forbidden => told.access = access(forms, text),
        Family::PortTaken | Family::PortDenied => told.port = first(&forms.ports, text, port),
        Family::VariableMissing => told.name = first(&forms.variables, text, |c| part(c, "name")),
        Family::SettingMissing => told.name = first(&forms.settings, text, |c| part(c, "name")),
        Family::CommandMissing => told.name = first(&forms.commands, text, |c| part(c, "name")),
        Family::FlagUnknown => told.name = first(&forms.flags, text, |c| part(c, "name")),
        Family::FileMissing | Family::FileDenied | Family::ReadOnly | Family::DiskFull => {
            told.path = first(&forms.files, text, |c| part(c, "path"));
        }
        Family::Invalid => {
            told.path = first(&forms.files, text, |c| part(c, "path"));
            told.line = first(&forms.position, text, |c| part(c, "line")?.parse().ok());
            told.value = first(&forms.values, text, |c| part(c, "value")).filter(|v| Some(v) != told.path.as_ref());
            told.name = first(&forms.variables, text, |c| part(c, "name"));
        }
        _ if family.is_connection() => {
            let asked = (family == Family::Dns).then(|| first(&forms.lookups, text, endpoint)).flatten();
            let other = first(&forms.hosts, text, endpoint);
            let (host, port) = asked.or_else(|| other.clone()).unzip();
            // The name that was looked up stands alone; the port may stand with it elsewhere in the line.
            let same = other.filter(|(name, _)| Some(name) == host.as_ref());
            told.port = port.flatten().or_else(|| same.and_then(|(_, port)| port));
            told.host = host;
        }
        _ => {}
    }
    told
}

fn first<T>(forms: &[Regex], text: &str, read: impl Fn(&Captures<'_>) -> Option<T>) -> Option<T> {
    forms.iter().find_map(|form| form.captures_iter(text).find_map(|found| read(&found)))
}

fn part(found: &Captures<'_>, name: &str) -> Option<String> {
    let text = found.name(name)?.as_str().trim_end_matches(['.', ',', ':']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn port(found: &Captures<'_>) -> Option<u16> {
    part(found, "port")?.parse().ok().filter(|port| *port > 0)
}

fn endpoint(found: &Captures<'_>) -> Option<(String, Option<u16>)> {
    const WORDS: [&str; 12] =
        ["host", "hosts", "address", "name", "the", "on", "to", "port", "error", "line", "http", "https"];
    let host = part(found, "host")?;
    let lower = host.to_ascii_lowercase();
    let file = FILES.iter().any(|end| lower.ends_with(end));
    // A resolver is where was asked, not what for; and a date is no address.
    let no_host = WORDS.contains(&lower.as_str()) || (!host.contains('.') && host.chars().all(|c| c.is_ascii_digit()));
    (!file && !no_host).then(|| (host, port(found)))
}

fn access(forms: &Forms, text: &str) -> Option<Access> {
    let found = forms.access.captures(text)?;
    let of = |name: &str| found.name(name).map(|m| m.as_str().to_owned());
    Some(Access {
        namespace: of("ns").unwrap_or_default(),
        account: of("sa").or_else(|| of("user"))?,
        verb: of("verb")?,
        resource: of("res").or_else(|| of("path"))?,
        group: of("group").unwrap_or_default(),
        place: of("place"),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_patterns_are_good() {
        super::Forms::new().unwrap();
    }
}
