//! Keys, certificates and tokens of one cluster. They live as long as it does.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Writes `ca.crt`, `server.{crt,key}`, `client.{crt,key}`, `sa.{pub,key}` and `tokens.csv`; returns the administrator's token.
pub fn write(dir: &Path, addresses: &[&str]) -> anyhow::Result<String> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "development cluster");
    let ca_cert = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    std::fs::write(dir.join("ca.crt"), ca_cert.pem())?;

    let mut names = vec![
        "localhost".to_owned(),
        "kubernetes".into(),
        "kubernetes.default".into(),
        "kubernetes.default.svc".into(),
        "kubernetes.default.svc.cluster.local".into(),
    ];
    names.extend(addresses.iter().map(|&address| address.to_owned()));
    leaf(dir, "server", CertificateParams::new(names)?, &issuer)?;

    // The API server shows this one to kubelets and to aggregated API servers.
    let mut client = CertificateParams::new(Vec::new())?;
    client.distinguished_name.push(DnType::CommonName, "front-proxy");
    client.distinguished_name.push(DnType::OrganizationName, "system:masters");
    leaf(dir, "client", client, &issuer)?;

    let accounts = KeyPair::generate()?;
    secret(&dir.join("sa.key"), &accounts.serialize_pem())?;
    std::fs::write(dir.join("sa.pub"), accounts.public_key_pem())?;
    let token = random_token()?;
    secret(&dir.join("tokens.csv"), &format!("{token},admin,admin,system:masters\n"))?;
    Ok(token)
}

fn leaf(dir: &Path, name: &str, mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    params.is_ca = IsCa::NoCa;
    let cert = params.signed_by(&key, issuer)?;
    std::fs::write(dir.join(format!("{name}.crt")), cert.pem())?;
    secret(&dir.join(format!("{name}.key")), &key.serialize_pem())
}

fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(crate::hex(&bytes))
}
