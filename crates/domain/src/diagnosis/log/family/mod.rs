//! What kind of trouble a log line tells of, and what it names: a host, a file, a variable, an account.
//!
//! The kind is told by phrases of operating systems, runtimes and libraries, the most specific kind first (`table`,
//! `phrases`).
//! What is named is found by the forms in which such texts name things (`names`).

mod names;
mod phrases;
mod table;

/// Kinds of trouble that lines of all languages and tools have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::diagnosis) enum Family {
    /// The API server refuses an account a request.
    Forbidden,
    /// A command is not in the image.
    CommandMissing,
    /// The binary is for another machine.
    ExecFormat,
    /// A certificate is from an unknown authority.
    UnknownAuthority,
    /// A certificate has ended, or is not valid yet.
    CertificateExpired,
    /// A certificate is for other names.
    CertificateName,
    /// One side speaks TLS, the other does not; or the handshake failed otherwise.
    Tls,
    /// A name cannot be resolved.
    Dns,
    /// A port is taken.
    PortTaken,
    /// A port may not be bound.
    PortDenied,
    /// A file system is read-only.
    ReadOnly,
    /// A disk is full.
    DiskFull,
    /// The process had no memory left.
    OutOfMemory,
    /// Nothing listens there.
    Refused,
    /// Nothing answers there.
    Timeout,
    /// Credentials are not accepted.
    Unauthorized,
    /// An environment variable is not set.
    VariableMissing,
    /// A file is not there.
    FileMissing,
    /// A file may not be read or written.
    FileDenied,
    /// A flag is not known.
    FlagUnknown,
    /// A setting has a value that cannot be used, or a file has a mistake.
    Invalid,
    /// A setting is not there.
    SettingMissing,
    /// The process did what the processor or the kernel refuses.
    Fault,
}

impl Family {
    /// Whether it is about a connection to something else.
    pub(in crate::diagnosis) fn is_connection(self) -> bool {
        matches!(
            self,
            Self::Dns
                | Self::Refused
                | Self::Timeout
                | Self::Unauthorized
                | Self::Tls
                | Self::UnknownAuthority
                | Self::CertificateExpired
                | Self::CertificateName
        )
    }
}

/// What a line tells of, and what it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::diagnosis) struct Told {
    pub(in crate::diagnosis) family: Option<Family>,
    /// Host name or address.
    pub(in crate::diagnosis) host: Option<String>,
    pub(in crate::diagnosis) port: Option<u16>,
    /// File or folder.
    pub(in crate::diagnosis) path: Option<String>,
    /// Line of that file.
    pub(in crate::diagnosis) line: Option<u32>,
    /// Variable, setting, flag or command.
    pub(in crate::diagnosis) name: Option<String>,
    /// Value that cannot be used.
    pub(in crate::diagnosis) value: Option<String>,
    pub(in crate::diagnosis) access: Option<Access>,
}

/// A request that the API server refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::diagnosis) struct Access {
    /// Namespace of the ServiceAccount; empty for another kind of user.
    pub(in crate::diagnosis) namespace: String,
    /// Name of the account.
    pub(in crate::diagnosis) account: String,
    pub(in crate::diagnosis) verb: String,
    pub(in crate::diagnosis) resource: String,
    pub(in crate::diagnosis) group: String,
    /// Namespace that the request was for; none for the whole cluster.
    pub(in crate::diagnosis) place: Option<String>,
}

/// Reads a message; `around` is what was said with it and may name what it leaves out.
pub(super) fn read(text: &str, around: &str) -> Option<Told> {
    let family = phrases::family(text).or_else(|| phrases::family(around))?;
    let mut told = names::read(family, text);
    if !around.is_empty() {
        let more = names::read(family, around);
        // A name says more than an address.
        let address = |host: &Option<String>| host.as_ref().is_none_or(|h| h.parse::<std::net::IpAddr>().is_ok());
        if address(&told.host) && more.host.is_some() && (told.host.is_none() || !address(&more.host)) {
            told.host = more.host;
            told.port = more.port.or(told.port);
        }
        told.port = told.port.or(more.port);
        told.path = told.path.or(more.path);
        told.line = told.line.or(more.line);
        told.name = told.name.or(more.name);
        told.value = told.value.or(more.value);
        told.access = told.access.or(more.access);
    }
    Some(Told { family: Some(family), ..told })
}

#[cfg(test)]
mod tests;
