//! The certificate authorities that everybody trusts: Mozilla's, in the version that the lock file pins, so that an image
//! does not depend on the machine that made it.

use pem::{EncodeConfig, LineEnding, Pem};

/// All of them, as programs expect them in one file.
pub fn pem() -> String {
    let certificates: Vec<Pem> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|certificate| Pem::new("CERTIFICATE", certificate.to_vec()))
        .collect();
    pem::encode_many_config(&certificates, EncodeConfig::new().set_line_ending(LineEnding::LF))
}
