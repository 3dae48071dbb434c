//! Schema pieces for text with a format: durations, time zones, quantities, cron lines, URLs, addresses, names.
//!
//! What lives here: how such text looks and what the API server answers when it does not.
//! What does not: rules between fields (they stand at the type that has the fields), parsing at run time (`domain`).
//!
//! Each function is used as `#[schemars(schema_with = "formats::…")]`. They are CEL rules, because a rule can say what is
//! expected while a `pattern` can only print itself.

use kube::core::cel::{Reason, Rule};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// DNS label: names of namespaces, channels, containers.
pub const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// DNS subdomain: names of most Kubernetes objects.
pub const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Kind of a Kubernetes object.
pub const KIND: &str = "^[A-Z][A-Za-z0-9]*$";
/// Key of a Secret or ConfigMap.
pub const DATA_KEY: &str = "^[-._a-zA-Z0-9]+$";
/// Name of an environment variable.
pub const ENV_NAME: &str = "^[-._a-zA-Z][-._a-zA-Z0-9]*$";
/// Key of a label, with or without a prefix.
pub const LABEL_KEY: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// Value of a label that is not empty.
pub const LABEL_VALUE: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
/// Text for people: one line, at least one character, no space at either end.
pub const ONE_LINE: &str = r"^\S([^\r\n\t]*\S)?$";
/// Container image repository: registry and path, without tag or digest.
pub const IMAGE_REPOSITORY: &str = r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[1-9][0-9]{0,4})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$";
/// Tag of a container image; empty stands for the default one.
pub const IMAGE_TAG: &str = "^([A-Za-z0-9_][-A-Za-z0-9_.]*)?$";
/// Container image with an optional tag and an optional digest.
pub const IMAGE: &str = r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[1-9][0-9]{0,4})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[a-f0-9]{64})?$";
/// A whole number from 1 to 65535, as text.
pub const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
/// English names of the days of the week, in any case.
pub const WEEKDAY: &str = "^(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)$";

/// One or more amounts with a unit, as Go writes durations, after an optional whole number of days.
const DURATION: &str = r"^([0-9]{1,5}d)?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$";
/// Host: name, IPv4 address or IPv6 address in brackets.
const HOST: &str =
    r"([A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?)*\.?|\[[0-9A-Fa-f:.]+\])";
/// E-mail address, bare or behind a display name.
const EMAIL: &str = r"([A-Za-z0-9.!#$%&*+/=?^_`{|}~-]+@DOMAIN|[^<>,@\r\n]* ?<[A-Za-z0-9.!#$%&*+/=?^_`{|}~-]+@DOMAIN>)";
/// Domain of an e-mail address: a dotted name, or `localhost`.
const MAIL_DOMAIN: &str =
    r"([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)+|localhost)";
/// Names of all time zones of the IANA database.
const TIME_ZONES: &str = include_str!("time_zones.txt");

/// Text with one rule of its own; the message is what its author reads.
#[must_use]
pub fn checked(max: u32, rule: &str, message: &str) -> Schema {
    json_schema!({"type": "string", "maxLength": max, "x-kubernetes-validations": [{"rule": rule, "message": message}]})
}

/// Text of a pattern, with a sentence for whoever misses it.
#[must_use]
pub fn worded(pattern: &str, max: u32, message: &str) -> Schema {
    checked(max, &format!("self.matches(r'{pattern}')"), message)
}

/// Text that is more than white space.
#[must_use]
pub fn prose(max: u32) -> Schema {
    worded(r"\S", max, "must not be empty")
}

/// One of a few words.
#[must_use]
pub fn one_of(words: &[&str]) -> Schema {
    checked(64, &format!("self in {words:?}"), &format!("must be one of {}", words.join(", ")))
}

/// A list without repetitions.
#[must_use]
pub fn set_of(items: &Schema, min: u32, max: u32) -> Schema {
    json_schema!({"type": "array", "items": items, "minItems": min, "maxItems": max, "x-kubernetes-list-type": "set"})
}

/// Adds a default, which the API server fills in.
#[must_use]
pub fn or(mut schema: Schema, default: Value) -> Schema {
    schema.insert("default".to_owned(), default);
    schema
}

/// A rule over several fields of a type, reported at one of them.
#[must_use]
pub fn rule(field: &str, rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message).field_path(format!(".{field}")).reason(Reason::FieldValueInvalid)
}

/// CEL: the whole seconds of the duration `text` (a CEL expression for a valid duration), to compare durations.
///
/// `duration()` of CEL knows no days, so a leading number of days is counted apart.
#[must_use]
pub fn cel_seconds(text: &str) -> String {
    format!(
        "({text}.contains('d') ? int({text}.find('^[0-9]+')) * 86400 + \
         ({text}.endsWith('d') ? 0 : duration({text}.substring({text}.indexOf('d') + 1)).getSeconds()) : duration({text}).getSeconds())"
    )
}

/// CEL: `self` is a duration; zero only where that has a meaning; at most `max` seconds and, unless zero, at least `min` seconds.
fn cel_duration(zero: bool, min: u32, max: u32) -> String {
    let value = cel_seconds("self");
    let not_zero = if zero { String::new() } else { "self.matches('[1-9]') && ".to_owned() };
    format!(
        "self == '0' ? {zero} : self.size() > 1 && self.matches(r'{DURATION}') && {not_zero}{value} >= {min} && {value} <= {max}"
    )
}

const HOUR: u32 = 3600;
const YEAR: u32 = 366 * 24 * HOUR;

/// A duration from `min` to `max` seconds; `range` says the same in words.
#[must_use]
pub fn duration_between(min: u32, max: u32, range: &str) -> Schema {
    duration_with(false, min, max, range)
}

fn duration_with(zero: bool, min: u32, max: u32, range: &str) -> Schema {
    checked(
        32,
        &cel_duration(zero, min, max),
        &format!("must be a duration {range}: amounts with a unit, such as 500ms, 90s, 1h30m or 7d"),
    )
}

/// A duration that is longer than zero, up to 366 days.
#[must_use]
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    duration_with(false, 0, YEAR, "longer than 0 and at most 366d")
}

/// A duration up to `max` seconds; zero switches the thing off.
#[must_use]
pub fn duration_or_zero(max: u32, range: &str) -> Schema {
    duration_with(true, 0, max, range)
}

/// A duration from one second to one day: intervals of repeated work.
#[must_use]
pub fn interval(_: &mut SchemaGenerator) -> Schema {
    duration_between(1, 24 * HOUR, "from 1s to 24h")
}

/// Name of an IANA time zone.
#[must_use]
pub fn time_zone(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<String> = TIME_ZONES.lines().map(|name| format!("'{name}'")).collect();
    checked(
        64,
        &format!("self in [{}]", names.join(",")),
        "must be the name of an IANA time zone, such as UTC, America/Sao_Paulo or Europe/Berlin",
    )
}

/// English names of days of the week, at least one, none twice.
#[must_use]
pub fn weekdays(_: &mut SchemaGenerator) -> Schema {
    let day = checked(
        9,
        &format!("self.matches('{WEEKDAY}')"),
        "must be the English name of a day of the week, such as Monday",
    );
    json_schema!({
        "type": "array", "items": day, "minItems": 1, "maxItems": 7, "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": [{
            "rule": "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))",
            "message": "must name each day of the week at most once",
        }],
    })
}

/// A port, 1 to 65535.
#[must_use]
pub fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535})
}

/// A port, 1 to 65535; 0 switches the thing off.
#[must_use]
pub fn port_or_zero(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 65535})
}

/// Size of a volume, as a Kubernetes quantity.
#[must_use]
pub fn volume_size(_: &mut SchemaGenerator) -> Schema {
    checked(
        32,
        "isQuantity(self) && quantity(self).compareTo(quantity('1Mi')) >= 0 && quantity(self).compareTo(quantity('1Pi')) <= 0",
        "must be a Kubernetes quantity of bytes from 1Mi to 1Pi, such as 5Gi",
    )
}

/// CEL: `text` is a cron line of five fields, or one of the words such as `@hourly`.
#[must_use]
pub fn cel_cron(text: &str) -> String {
    fn field(value: &str, star: &str) -> String {
        format!(r"({star}|{value}(-{value})?)(/[1-9][0-9]?)?(,({star}|{value}(-{value})?)(/[1-9][0-9]?)?)*")
    }
    let minute = field("[0-5]?[0-9]", r"\*");
    let hour = field("([01]?[0-9]|2[0-3])", r"\*");
    let day = field("(0?[1-9]|[12][0-9]|3[01])", r"[*?]");
    let month = field("(0?[1-9]|1[0-2]|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))", r"\*");
    let weekday = field("([0-7]|(?i:sun|mon|tue|wed|thu|fri|sat))", r"[*?]");
    format!(
        r"{text}.matches(r'^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{minute} +{hour} +{day} +{month} +{weekday})$') && !{text}.matches(r'^[^ ]+ +[^ ]+ +(30|31|30,31) +(0?2|(?i:feb)) +[*?]$') && !{text}.matches(r'^[^ ]+ +[^ ]+ +31 +(0?[2469]|11|(?i:feb|apr|jun|sep|nov)) +[*?]$')"
    )
}

/// A cron line.
#[must_use]
pub fn cron(_: &mut SchemaGenerator) -> Schema {
    checked(
        128,
        &cel_cron("self"),
        "must be a cron line of five fields (minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7) that can come true, such as \"0 3 * * 1\", or a word such as @daily",
    )
}

/// CEL: `text` is an address that starts with `http://` or `https://`.
#[must_use]
pub fn cel_http_url(text: &str) -> String {
    format!(r"{text}.matches(r'^https?://([^/@\s]+@)?{HOST}(:{PORT})?([/?#][^\s]*)?$')")
}

/// An address that starts with `http://` or `https://`.
#[must_use]
pub fn http_url(_: &mut SchemaGenerator) -> Schema {
    checked(
        2048,
        &cel_http_url("self"),
        "must be a URL that starts with http:// or https:// and has a host, such as https://example.com/path",
    )
}

fn email() -> String {
    EMAIL.replace("DOMAIN", MAIL_DOMAIN)
}

/// CEL: `text` is one e-mail address.
#[must_use]
pub fn cel_email(text: &str) -> String {
    format!("{text}.matches(r'^{}$')", email())
}

/// CEL: `text` is one or more e-mail addresses, separated by commas.
#[must_use]
pub fn cel_emails(text: &str) -> String {
    let one = email();
    format!(r"{text}.matches(r'^\s*{one}(\s*,\s*{one})*\s*$')")
}

/// CEL: `text` is the name or address of a host, without scheme and port.
#[must_use]
pub fn cel_host(text: &str) -> String {
    format!("{text}.matches(r'^{HOST}$') && !{text}.matches(r'^[0-9.]+$') || isIP({text})")
}

/// Host that is dialled, with an optional port.
#[must_use]
pub fn dial_address(_: &mut SchemaGenerator) -> Schema {
    checked(
        259,
        &format!(r"self.matches(r'^(dns:///)?{HOST}(:{PORT})?$')"),
        "must be a host or host:port without a scheme, such as chatcli.example.com or chatcli.example.com:443",
    )
}

/// CEL: `text` is a whole number from `min` to `max`.
#[must_use]
pub fn cel_whole_number(text: &str, min: i64, max: i64) -> String {
    format!("{text}.matches('^[0-9]{{1,9}}$') && int({text}) >= {min} && int({text}) <= {max}")
}

/// Name of an object (DNS subdomain).
#[must_use]
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    worded(
        DNS_SUBDOMAIN,
        253,
        "must be the name of an object: small letters, digits, - and ., with a letter or digit at both ends, such as api-gateway",
    )
}

/// Name of a namespace.
#[must_use]
pub fn namespace(_: &mut SchemaGenerator) -> Schema {
    worded(
        DNS_LABEL,
        63,
        "must be the name of a namespace: small letters, digits and -, with a letter or digit at both ends, such as production",
    )
}

/// Names of namespaces, none twice.
#[must_use]
pub fn namespaces(generator: &mut SchemaGenerator) -> Schema {
    set_of(&namespace(generator), 0, 256)
}

/// Kind of an object.
#[must_use]
pub fn kind(_: &mut SchemaGenerator) -> Schema {
    worded(KIND, 63, "must be the kind of an object as Kubernetes spells it, such as Deployment")
}

/// Kinds of objects, none twice.
#[must_use]
pub fn kinds(generator: &mut SchemaGenerator) -> Schema {
    set_of(&kind(generator), 0, 64)
}

/// Name that people give to a part of an object; one line.
#[must_use]
pub fn label_text(_: &mut SchemaGenerator) -> Schema {
    worded(ONE_LINE, 128, "must be one line of text without space at its ends")
}

/// Path inside a repository or volume: relative, without `..`.
#[must_use]
pub fn relative_path(_: &mut SchemaGenerator) -> Schema {
    checked(
        512,
        r"self.matches(r'^[^/\s\\][^\r\n\\]*$') && !self.matches(r'(^|/)\.\.(/|$)')",
        "must be a path inside the repository: relative, without .. and without backslashes, such as cmd/server",
    )
}
