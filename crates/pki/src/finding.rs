//! One thing that is wrong with a certificate, a key or a CA.

use std::fmt;

/// Key of the Secret that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `tls.crt`: the certificate, then its intermediates.
    Certificate,
    /// `tls.key`: its private key.
    Key,
    /// `ca.crt`: whom to trust.
    Ca,
}

impl Field {
    /// As the Secret has it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Certificate => "tls.crt",
            Self::Key => "tls.key",
            Self::Ca => "ca.crt",
        }
    }
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It is there, and empty.
    Empty,
    /// It is no PEM, or PEM of something else.
    NotPem,
    /// It is PEM, and what is in it cannot be read.
    Malformed,
    /// The key has a passphrase.
    EncryptedKey,
    /// The key belongs to another certificate.
    KeyMismatch,
    /// The key is of a kind, or a size, that TLS here does not have.
    UnsupportedKey,
    /// The certificate of the key is there, and is not the first one.
    WrongOrder,
    /// No name is in the certificate at all.
    NoNames,
    /// The name stands in the common name only.
    LegacyCommonName,
    /// The certificate is for other names.
    NameMismatch,
    /// Nobody that is trusted has signed it.
    UnknownAuthority,
    /// It says that it is a CA, and it is not trusted by itself.
    CaAsServer,
    /// It is no certificate for servers.
    WrongPurpose,
    /// Signed in a way that nobody trusts any more.
    WeakSignature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// A CA in `ca.crt` is over; the others still count.
    CaExpired,
    /// Anything else that a verification says.
    Invalid,
    /// The handshake failed for a reason that is not the certificate.
    Handshake,
}

impl Problem {
    /// One CamelCase word, for the reason of a condition.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "KeyMissing",
            Self::Empty => "KeyEmpty",
            Self::NotPem => "NotPEM",
            Self::Malformed => "Malformed",
            Self::EncryptedKey => "EncryptedKey",
            Self::KeyMismatch => "KeyDoesNotMatch",
            Self::UnsupportedKey => "UnsupportedKey",
            Self::WrongOrder => "WrongOrder",
            Self::NoNames => "NoNames",
            Self::LegacyCommonName => "LegacyCommonName",
            Self::NameMismatch => "NameMismatch",
            Self::UnknownAuthority => "UnknownAuthority",
            Self::CaAsServer => "CACertificateAsServer",
            Self::WrongPurpose => "WrongPurpose",
            Self::WeakSignature => "WeakSignature",
            Self::Expired => "Expired",
            Self::NotYetValid => "NotYetValid",
            Self::CaExpired => "CAExpired",
            Self::Invalid => "CertificateInvalid",
            Self::Handshake => "HandshakeFailed",
        }
    }

    /// Whether no connection comes about because of it.
    pub fn is_fatal(self) -> bool {
        self != Self::CaExpired
    }
}

/// What is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Kind.
    pub problem: Problem,
    /// Where.
    pub field: Field,
    /// What Go's TLS says in this case, word for word where it has a word.
    pub text: String,
    /// What to do, with the command where there is one.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(problem: Problem, field: Field, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem, field, text: text.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; remedy: {}", self.text, self.remedy)
    }
}

impl std::error::Error for Finding {}
