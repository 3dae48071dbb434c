//! Certificates as people make them: the cookbook's own commands, and the plain ones that it warns of.

use std::path::PathBuf;
use std::process::Command;

use super::*;

/// The cookbook's openssl.cnf.
const CONFIG: &str = "[req]
distinguished_name = req_dn
x509_extensions = v_ext
prompt = no
[req_dn]
CN = chatcli-prod.chatcli-system.svc.cluster.local
[v_ext]
subjectAltName = @alt_names
[alt_names]
DNS.1 = chatcli-prod.chatcli-system.svc.cluster.local
DNS.2 = chatcli-prod.chatcli-system.svc
DNS.3 = chatcli-prod
DNS.4 = localhost
";

/// A folder in which openssl is run.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pki-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("openssl.cnf"), CONFIG).unwrap();
        Self(path)
    }

    /// Runs the words of one line.
    fn run(&self, line: &str) -> &Self {
        let mut words = line.split_whitespace();
        let output = Command::new(words.next().unwrap()).args(words).current_dir(&self.0).output();
        let output = output.expect("these tests need the openssl command");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        self
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.join(file)).unwrap()
    }

    fn findings(&self, ca: Option<&str>, name: &str) -> Vec<Finding> {
        let (certificate, key) = (self.read("tls.crt"), self.read("tls.key"));
        let ca = ca.map(|file| self.read(file));
        let given =
            Given { certificate: Some(&certificate), key: Some(&key), ca: ca.as_deref(), names: &names(&[name]) };
        inspect(&given, &Trust::nobody(), self.now())
    }

    /// A minute after the certificate was made: openssl takes the machine's time.
    fn now(&self) -> Timestamp {
        let made = std::fs::metadata(self.0.join("tls.crt")).unwrap().modified().unwrap();
        Timestamp::try_from(made).unwrap() + SignedDuration::from_mins(1)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const COOKBOOK: &str = "openssl req -x509 -newkey rsa:4096 -sha256 -days 825 -nodes -keyout tls.key -out tls.crt -config openssl.cnf -extensions v_ext";

#[test]
fn the_cookbooks_commands_give_what_the_cookbook_says() {
    let folder = Folder::new("cookbook");
    folder.run(COOKBOOK).run("openssl x509 -in tls.crt -noout -text");
    for name in [NAME, "chatcli-prod.chatcli-system.svc", "chatcli-prod", "localhost"] {
        assert_eq!(folder.findings(Some("tls.crt"), name), []);
    }
    let [finding] = &folder.findings(None, NAME)[..] else { panic!() };
    assert_eq!(finding.text, "x509: certificate signed by unknown authority");
    assert!(finding.remedy.contains("--from-file=ca.crt=tls.crt"), "{finding}");
    let [finding] = &folder.findings(Some("tls.crt"), "chatcli-other.chatcli-system.svc")[..] else { panic!() };
    assert_eq!(
        finding.text,
        format!(
            "x509: certificate is valid for {NAME}, chatcli-prod.chatcli-system.svc, chatcli-prod, localhost, not chatcli-other.chatcli-system.svc"
        )
    );
}

#[test]
fn plain_openssl_works_or_says_what_to_change() {
    let folder = Folder::new("plain");
    let plain = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout tls.key -out tls.crt -subj";
    // Without any name.
    folder.run(&format!("{plain} /CN=chatcli"));
    let [finding] = &folder.findings(Some("tls.crt"), NAME)[..] else { panic!() };
    assert_eq!(finding.text, format!("x509: certificate is not valid for any names, but wanted to match {NAME}"));
    assert!(finding.remedy.contains("openssl.cnf") && finding.remedy.contains(NAME), "{finding}");
    // The name where it was long ago.
    folder.run(&format!("{plain} /CN={NAME}"));
    let [finding] = &folder.findings(Some("tls.crt"), NAME)[..] else { panic!() };
    assert_eq!(finding.text, "x509: certificate relies on legacy Common Name field, use SANs instead");
    // CA:TRUE, which openssl sets by itself: it works where ca.crt has it, and says what to do where not.
    folder.run(&format!("{plain} /CN={NAME} -addext subjectAltName=DNS:{NAME}"));
    assert_eq!(folder.findings(Some("tls.crt"), NAME), []);
    let [finding] = &folder.findings(None, NAME)[..] else { panic!() };
    assert_eq!((finding.problem, finding.field), (Problem::UnknownAuthority, Field::Ca));
    assert!(finding.remedy.contains("--from-file=ca.crt=tls.crt"), "{finding}");
}

#[test]
fn every_kind_of_key_is_read() {
    let folder = Folder::new("keys");
    for key in
        ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:prime256v1", "ec -pkeyopt ec_paramgen_curve:secp384r1", "ed25519"]
    {
        folder.run(&COOKBOOK.replace("rsa:4096", key));
        assert_eq!(folder.findings(Some("tls.crt"), NAME), [], "{key}");
    }
    // PKCS#1 and SEC1, as older commands write them.
    folder.run(&COOKBOOK.replace("rsa:4096", "rsa:2048")).run("openssl rsa -in tls.key -out tls.key -traditional");
    assert_eq!(folder.findings(Some("tls.crt"), NAME), []);
    folder.run(&COOKBOOK.replace("rsa:4096", "ec -pkeyopt ec_paramgen_curve:prime256v1"));
    folder.run("openssl ec -in tls.key -out tls.key");
    assert_eq!(folder.findings(Some("tls.crt"), NAME), []);
    // What ring does not have.
    folder.run(&COOKBOOK.replace("rsa:4096", "ec -pkeyopt ec_paramgen_curve:secp521r1"));
    assert_eq!(problems(&folder.findings(Some("tls.crt"), NAME))[0], Problem::UnsupportedKey);
    folder.run(&COOKBOOK.replace("rsa:4096", "rsa:1024"));
    assert_eq!(problems(&folder.findings(Some("tls.crt"), NAME))[0], Problem::UnsupportedKey);
}

#[test]
fn a_passphrase_another_format_and_an_old_version_are_said_so() {
    let folder = Folder::new("odd");
    folder.run(&COOKBOOK.replace("rsa:4096", "rsa:2048").replace("-nodes", "-passout pass:secret"));
    let [finding] = &folder.findings(Some("tls.crt"), NAME)[..] else { panic!() };
    assert_eq!(finding.problem, Problem::EncryptedKey);
    assert!(finding.remedy.contains("openssl pkey -in tls.key"), "{finding}");
    folder.run(&COOKBOOK.replace("rsa:4096", "rsa:2048")).run("openssl x509 -in tls.crt -outform der -out tls.crt");
    let findings = folder.findings(None, NAME);
    assert_eq!((findings[0].problem, findings[0].field), (Problem::NotPem, Field::Certificate));
    assert!(findings[0].remedy.contains("openssl x509 -inform der"), "{}", findings[0]);
    // Version 1: no extensions at all.
    folder.run(&format!("openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN={NAME}"));
    folder.run("openssl x509 -req -in tls.csr -signkey tls.key -days 30 -out tls.crt");
    assert_eq!(problems(&folder.findings(Some("tls.crt"), NAME)), [Problem::LegacyCommonName]);
}

#[test]
fn a_weak_signature_of_a_ca_is_not_trusted() {
    let folder = Folder::new("weak");
    folder.run("openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout ca.key -out ca.crt -subj /CN=ca");
    folder.run(&format!("openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN={NAME}"));
    folder.run("openssl x509 -req -sha1 -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out tls.crt -extfile openssl.cnf -extensions v_ext");
    let findings = folder.findings(Some("ca.crt"), NAME);
    assert_eq!(problems(&findings), [Problem::WeakSignature], "{findings:#?}");
    assert!(findings[0].text.contains("insecure algorithm"), "{}", findings[0]);
}
