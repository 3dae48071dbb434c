//! Whom a link trusts.

use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::names::common_name;
use crate::read::{certificates, parse};
use crate::{Field, Finding};

/// Roots, and certificates that are trusted as they are.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(crate) roots: RootCertStore,
    /// As Go does it: a certificate that stands among the trusted ones needs no signature of another one, and may be a CA.
    pub(crate) pinned: Vec<CertificateDer<'static>>,
    /// Who is in it, for messages; nothing for the system's.
    pub(crate) said: Option<Vec<String>>,
}

impl Trust {
    /// Nobody but these: the content of `ca.crt`.
    ///
    /// # Errors
    /// When it is no PEM of certificates.
    pub fn only(pem: &[u8]) -> Result<Self, Finding> {
        let pinned = certificates(Some(pem), Field::Ca)?;
        let said = pinned
            .iter()
            .map(|der| parse(der).map(|parsed| common_name(parsed.subject())).unwrap_or_default())
            .collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pinned.iter().cloned());
        Ok(Self { roots, pinned, said: Some(said) })
    }

    /// What this machine trusts: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or the usual places. Read once in the life of a process.
    pub fn system() -> Self {
        static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
        let roots = SYSTEM.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        });
        Self { roots: roots.clone(), pinned: Vec::new(), said: None }
    }

    /// Nobody.
    pub fn nobody() -> Self {
        Self { roots: RootCertStore::empty(), pinned: Vec::new(), said: None }
    }

    /// These as well.
    ///
    /// # Errors
    /// When it is no PEM of certificates.
    pub fn and(mut self, pem: &[u8]) -> Result<Self, Finding> {
        let more = Self::only(pem)?;
        self.roots.extend(more.roots.roots);
        self.pinned.extend(more.pinned);
        Ok(self)
    }
}
