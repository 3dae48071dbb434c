//! The certificate of the port: another one takes its place without a restart and without a connection that is dropped.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::ServeError;

/// Certificate and key of the server; clones share them.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Current>);

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Certificate, with what lies between it and its CA, and key, both as PEM.
    ///
    /// # Errors
    /// When they cannot be used, or do not belong together.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, ServeError> {
        pair(certificate, key).map(|pair| Self(Arc::new(Current(ArcSwap::from_pointee(pair)))))
    }

    /// Puts another pair in place: connections that begin from now on get it, those that are open go on. Returns whether
    /// it is another one.
    ///
    /// # Errors
    /// When it cannot be used; the old one stays.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<bool, ServeError> {
        let pair = pair(certificate, key)?;
        let old = self.0.0.swap(Arc::new(pair));
        Ok(old.cert != self.0.0.load().cert)
    }

    pub(crate) fn config(&self) -> Result<ServerConfig, ServeError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ServeError::Tls(error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self.0.clone());
        // The second is for the webhook: not everybody who posts speaks HTTP/2.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, ServeError> {
    let wrong = |what: &str, why: &dyn std::fmt::Display| ServeError::Tls(format!("{what}: {why}"));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong("the certificate", &error))?;
    if chain.is_empty() {
        return Err(wrong("the certificate", &"there is none in the file"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("the key", &error))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| wrong("certificate and key", &error))
}
