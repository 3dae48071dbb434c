//! The phrases by which a family is known.

use std::sync::LazyLock;

use regex::Regex;

use super::Family;

/// Families by what lines of them contain, in lower case; the first that fits counts, so that the specific come first.
const PHRASES: [(Family, &[&str]); 22] = [
    (Family::Forbidden, &["is forbidden: user ", "\" cannot list resource ", "\" cannot get resource "]),
    (
        Family::UnknownAuthority,
        &[
            "signed by unknown authority",
            "self-signed certificate",
            "self signed certificate",
            "unable to get local issuer",
            "unable to verify the first certificate",
            "unable_to_verify_leaf_signature",
            "pkix path building failed",
            "unable to find valid certification path",
            "unknownissuer",
            "untrustedroot",
            "partialchain",
            "unknown ca",
        ],
    ),
    (
        Family::CertificateExpired,
        &[
            "certificate has expired",
            "cert_has_expired",
            "certificate expired",
            "certificate is not yet valid",
            "expired or is not yet valid",
            "notafter:",
            "certificateexpiredexception",
            "invalid peer certificate: expired",
            "peer certificate: certexpired",
        ],
    ),
    (
        Family::CertificateName,
        &[
            "certificate is valid for",
            "does not match certificate's altnames",
            "certificate is not valid for",
            "no subject alternative",
            "hostname mismatch",
            "doesn't match any of the subject alternative names",
            "notvalidforname",
            "remotecertificatenamemismatch",
            "err_tls_cert_altname_invalid",
            "doesn't contain any ip sans",
        ],
    ),
    (
        Family::Tls,
        &[
            "server gave http response to https client",
            "client sent an http request to an https server",
            "wrong version number",
            "certificate verify failed",
            "certificate_verify_failed",
            "tls: ",
            "ssl handshake",
            "sslhandshakeexception",
            "tls handshake",
            "sslerror",
            "authenticationexception: the remote certificate",
        ],
    ),
    // A name that is not resolved need not be a host.
    (Family::SettingMissing, &["could not resolve placeholder"]),
    (
        Family::Dns,
        &[
            "no such host",
            "name or service not known",
            "temporary failure in name resolution",
            "could not resolve",
            "couldn't resolve",
            "cannot resolve host",
            "failed to resolve",
            "unable to resolve host",
            "bad address",
            "eai_again",
            " enotfound",
            "=enotfound",
            "nxdomain",
            "unknownhostexception",
            "unknown host",
            "name does not resolve",
            "nodename nor servname",
            "could not translate host name",
            "failed to lookup address",
            "dns error",
            "server misbehaving",
            "name resolution",
            "host not found",
        ],
    ),
    (
        Family::PortTaken,
        &[
            "address already in use",
            "eaddrinuse",
            "address in use",
            "port is already in use",
            "was already in use",
            "is already in use by",
            "only one usage of each socket address",
            "port already allocated",
            "already listening on port",
        ],
    ),
    (Family::ReadOnly, &["read-only file system", "erofs", "readonlyfilesystem", "read only file system"]),
    (
        Family::DiskFull,
        &[
            "no space left on device",
            "enospc",
            "disk quota exceeded",
            "disk is full",
            "not enough disk space",
            "disk full",
        ],
    ),
    (
        Family::OutOfMemory,
        &[
            "outofmemoryerror",
            "heap out of memory",
            "heap limit",
            "runtime: out of memory",
            "bad_alloc",
            "outofmemoryexception",
            "memory allocation of",
            "cannot allocate memory",
            "enomem",
            "memoryerror",
            "java heap space",
            "oom command not allowed",
            "out of memory",
        ],
    ),
    (
        Family::Refused,
        &[
            "connection refused",
            "econnrefused",
            "connectionrefused",
            "actively refused",
            "connectexception",
            "connect: refused",
        ],
    ),
    (
        Family::Unauthorized,
        &[
            "password authentication failed",
            "authentication failed",
            "access denied for user",
            "login failed",
            "invalid credentials",
            "bad credentials",
            "invalid username or password",
            "invalid password",
            "wrongpass",
            "noauth ",
            "access_refused",
            "unauthorized",
            "unauthenticated",
            "401 unauthorized",
            "403 forbidden",
            "invalid api key",
            "invalid token",
            "token has expired",
            "permissiondenied desc",
            "accessdenied:",
            "access denied for",
        ],
    ),
    (
        Family::Timeout,
        &[
            "i/o timeout",
            "timed out",
            "etimedout",
            "deadline exceeded",
            "connect timeout",
            "connection timeout",
            "read timeout",
            "request timeout",
            "timeout expired",
            "timeout exceeded",
            "timeout waiting",
            "timeouterror",
            "timeoutexception",
            "no route to host",
            "ehostunreach",
            "network is unreachable",
            "enetunreach",
            "network unreachable",
        ],
    ),
    (Family::ExecFormat, &["exec format error", "cannot execute binary file", "image is not a valid win32"]),
    (Family::CommandMissing, &["executable file not found", "command not found", "exec: no such file"]),
    (
        Family::Fault,
        &[
            "segmentation fault",
            "sigsegv",
            "sigill",
            "illegal instruction",
            "sigbus",
            "bus error",
            "stack overflow",
            "stackoverflowerror",
        ],
    ),
    (
        Family::FileMissing,
        &[
            "no such file or directory",
            "enoent",
            "filenotfound",
            "nosuchfileexception",
            "could not find file",
            "file not found",
            "file does not exist",
            "the system cannot find the file",
        ],
    ),
    (
        Family::FileDenied,
        &[
            "permission denied",
            "eacces",
            "permissionerror",
            "accessdeniedexception",
            "operation not permitted",
            "eperm",
        ],
    ),
    (
        Family::FlagUnknown,
        &[
            "flag provided but not defined",
            "unknown flag",
            "unknown option",
            "unrecognized option",
            "unrecognized arguments",
            "unexpected argument",
            "unknown argument",
            "invalid option",
            "illegal option",
            "no such option",
            "unknown shorthand flag",
            "unknown command",
            "unrecognized command",
        ],
    ),
    (
        Family::SettingMissing,
        &[
            "could not resolve placeholder",
            "missing required",
            "required key",
            "required property",
            "field required",
            "missing configuration",
            "missing setting",
            "keyerror",
            "missing key",
            "key not found",
        ],
    ),
    (
        Family::Invalid,
        &[
            "parse error",
            "parsing error",
            "error parsing",
            "failed to parse",
            "cannot parse",
            "could not parse",
            "unable to parse",
            "parseerror",
            "parserexception",
            "scannererror",
            "parseexception",
            "syntax error",
            "syntaxerror",
            "invalid syntax",
            "invalid character",
            "unexpected token",
            "jsondecodeerror",
            "jsonparseexception",
            "yaml: ",
            "toml parse",
            "unknown directive",
            "unexpected \"",
            "unknown field",
            "invalid value",
            "invalid url",
            "invalid port",
            "invalid configuration",
            "invalid config",
            "configuration error",
            "bad configuration",
            "numberformatexception",
            "invalid literal",
            "not a valid",
            "is not valid",
            "unmarshal",
            "must be a number",
            "must be an integer",
            "must be one of",
        ],
    ),
];

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
            bind_denied: Regex::new(
                r"(?i)(?:\bbind|\blisten)\w*\b.{0,60}(?:permission denied|eacces|access denied|forbidden)|eacces.{0,40}:(?:[1-9]\d{0,2}|10[01]\d|102[0-3])\b|access permissions.{0,20}socket",
            )?,
            bind: Regex::new(
                r"(?i)(?:fail\w*|cannot|can't|could not|couldn't|unable|error|not)\b.{0,20}\b(?:bind|listen)\w*\b.{0,40}\bport\b|\b(?:bind|listen)\w*\b.{0,30}\bport\b.{0,20}\bfail",
            )?,
            shell_missing: Regex::new(
                r"(?i)(?:^|/)(?:ba|da|a|z|k)?sh: .*: (?:command )?not found\s*$|\.sh: .*: (?:command )?not found\s*$",
            )?,
            exec_missing: Regex::new(
                r#"(?i)(?:\bexec\b|\benv: |fork/exec|\bspawn\b|sh: (?:\d+: |line \d+: )?/).{0,200}(?:no such file or directory|enoent|not found)"#,
            )?,
            status: Regex::new(
                r"(?i)(?:status|http|code|response|error)\w*[ :=(/]{1,3}(?:code )?[:=]? ?(?:1\.[01] )?40[13]\b|\b40[13] (?:unauthorized|forbidden|client error)",
            )?,
            refused: Regex::new(
                r"(?i)connection to .{1,100} refused|can't connect to .{1,100}\((?:111|61)\b|failed to connect to|couldn't connect to server|could not connect to (?:server|the)|cannot connect to|can't connect to|unable to connect",
            )?,
            variable: Regex::new(
                r#"(?i)\b(?:env(?:ironment)?(?: |_)?(?:var(?:iable)?)?s?|variables?)\b[ :=]{0,3}["'`$({]*[a-z_][a-z0-9_]*["'`)}]*,?:? ?(?:is |was |are |must be |has |needs to be |to be )*(?:not|un(?:set|defined|bound)|required|missing|empty|needed|set\b)|(?:missing|required|undefined|unset|no|need|needs|expects?|requires?|without|specify|provide|define|set)\b[^.]{0,40}\benv(?:ironment)?(?: |_)?var"#,
            )?,
            variable_first: Regex::new(
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
