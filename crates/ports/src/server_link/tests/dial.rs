//! Every issuer of the cookbook's table against a real server with TLS: what works, and what each mistake says.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use testkit::brain::{Brain, Serving, Truth};
use tokio::sync::mpsc;

use super::*;

const INSIDE: &str = "chatcli-prod.chatcli-system.svc.cluster.local";
const PUBLIC: &str = "chatcli.example.com";

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn ca_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

fn root(name: &str) -> Ca {
    let (parameters, key) = (ca_parameters(name), KeyPair::generate().unwrap());
    let pem = parameters.self_signed(&key).unwrap().pem();
    Ca { pem, issuer: Issuer::new(parameters, key) }
}

impl Ca {
    fn below(&self, name: &str) -> Self {
        let (parameters, key) = (ca_parameters(name), KeyPair::generate().unwrap());
        let pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_with(names, |_| {})
    }

    fn issue_with(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn self_signed(names: &[&str], is_ca: bool) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    if is_ca {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A file that is removed in the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("link-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn environment(pairs: &[(&str, &str)]) -> TlsFiles {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    TlsFiles::from_environment(|name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
}

/// Whether a link comes about, or why not.
async fn outcome(settings: Settings) -> Result<(), String> {
    let link = ServerLink::new(settings).map_err(|error| error.to_string())?;
    let (sender, mut events) = mpsc::channel(16);
    let first = async {
        tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("nothing came").expect("ended")
    };
    tokio::select! {
        () = link.run(sender, now) => panic!("the link has ended"),
        event = first => match event {
            LinkEvent::Begin => Ok(()),
            LinkEvent::Disconnected { why } => Err(why),
            other => panic!("{other:?}"),
        },
    }
}

/// Serves with a certificate, and dials it by a name.
async fn dial(identity: &(String, String), name: &str, ca: Option<&str>, files: TlsFiles) -> Result<(), String> {
    let serving = Serving { tls: Some(identity.clone()), ..Serving::default() };
    let server = Brain::new(&Truth::new()).serve(serving).await;
    outcome(Settings {
        server_name: Some(name.to_owned()),
        ca_pem: ca.map(|pem| pem.as_bytes().to_vec()),
        files,
        ..Settings::new(&format!("https://{}", server.address))
    })
    .await
}

fn nothing() -> TlsFiles {
    TlsFiles::default()
}

const FAILED: &str = "transport: authentication handshake failed: ";

#[track_caller]
fn says(outcome: &Result<(), String>, text: &str) {
    let why = outcome.as_ref().expect_err("it came about");
    assert!(why.contains(text), "{why}\n does not say\n{text}");
}

#[tokio::test]
async fn a_public_issuer_needs_no_ca_and_the_public_name() {
    // Rows 1 and 3: Let's Encrypt on the server, or ACM on a load balancer. The public root is one of ours here.
    let (public, file) = (root("Public Root"), "public.pem");
    let middle = public.below("Public R3");
    let (certificate, key) = middle.issue(&[PUBLIC]);
    let identity = (format!("{certificate}{}", middle.pem), key);
    let file = File::new(file, &public.pem);
    let trusting = environment(&[("CHATCLI_GRPC_TLS_CA", &file.path())]);
    assert_eq!(dial(&identity, PUBLIC, None, trusting.clone()).await, Ok(()));
    // Dialed by its name inside the cluster.
    let inside = dial(&identity, INSIDE, None, trusting).await;
    says(&inside, &format!("{FAILED}x509: certificate is valid for {PUBLIC}, not {INSIDE}; remedy: "));
    // A staging root that nobody knows.
    says(
        &dial(&identity, PUBLIC, None, nothing()).await,
        &format!("{FAILED}x509: certificate signed by unknown authority"),
    );
}

#[tokio::test]
async fn an_issuer_inside_the_cluster_needs_its_ca_and_the_names_inside() {
    // Row 2: cert-manager with a CA of its own writes ca.crt.
    let ca = root("internal-ca");
    let identity = ca.issue(&[INSIDE, "chatcli-prod"]);
    assert_eq!(dial(&identity, INSIDE, Some(&ca.pem), nothing()).await, Ok(()));
    says(
        &dial(&identity, INSIDE, None, nothing()).await,
        &format!("{FAILED}x509: certificate signed by unknown authority"),
    );
    let other = root("other-ca");
    let wrong = dial(&identity, INSIDE, Some(&other.pem), nothing()).await;
    says(&wrong, "ca.crt has \"other-ca\", and not \"internal-ca\"");
    let short = ca.issue(&["chatcli-prod"]);
    says(
        &dial(&short, INSIDE, Some(&ca.pem), nothing()).await,
        &format!("x509: certificate is valid for chatcli-prod, not {INSIDE}"),
    );
    let nameless = ca.issue(&[]);
    says(
        &dial(&nameless, INSIDE, Some(&ca.pem), nothing()).await,
        &format!("{FAILED}x509: certificate is not valid for any names, but wanted to match {INSIDE}"),
    );
    let legacy = ca.issue_with(&[], |p| p.distinguished_name.push(DnType::CommonName, INSIDE));
    says(
        &dial(&legacy, INSIDE, Some(&ca.pem), nothing()).await,
        "x509: certificate relies on legacy Common Name field, use SANs instead",
    );
    let old = ca.issue_with(&[INSIDE], |p| p.not_after = date_time_ymd(2020, 1, 1));
    says(
        &dial(&old, INSIDE, Some(&ca.pem), nothing()).await,
        "x509: certificate has expired or is not yet valid: current time ",
    );
}

#[tokio::test]
async fn a_private_ca_is_trusted_by_its_bundle() {
    // Row 4: ACM Private CA; ca.crt has the bundle, tls.crt may lack the intermediate.
    let ca = root("Private Root");
    let middle = ca.below("Private Issuing CA");
    let (certificate, key) = middle.issue(&[INSIDE]);
    let bundle = format!("{}{}", middle.pem, ca.pem);
    let (short, whole) = ((certificate.clone(), key.clone()), (format!("{certificate}{}", middle.pem), key));
    assert_eq!(dial(&short, INSIDE, Some(&bundle), nothing()).await, Ok(()));
    assert_eq!(dial(&whole, INSIDE, Some(&ca.pem), nothing()).await, Ok(()));
    let incomplete = dial(&short, INSIDE, Some(&ca.pem), nothing()).await;
    says(&incomplete, "x509: certificate signed by unknown authority");
    says(&incomplete, "\"Private Issuing CA\", which signed the certificate");
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_ca_even_if_it_says_so() {
    // Row 5: the cookbook's openssl.cnf, and plain openssl, which sets CA:TRUE.
    for is_ca in [false, true] {
        let identity = self_signed(&[INSIDE, "localhost"], is_ca);
        assert_eq!(dial(&identity, INSIDE, Some(&identity.0), nothing()).await, Ok(()), "CA:{is_ca}");
        let without = dial(&identity, INSIDE, None, nothing()).await;
        says(&without, &format!("{FAILED}x509: certificate signed by unknown authority; remedy: "));
        says(&without, "--from-file=ca.crt=tls.crt");
        says(
            &dial(&identity, "elsewhere", Some(&identity.0), nothing()).await,
            &format!("x509: certificate is valid for {INSIDE}, localhost, not elsewhere"),
        );
    }
    // One that an unrelated key made has the same names.
    let (ours, theirs) = (self_signed(&[INSIDE], true), self_signed(&[INSIDE], true));
    says(&dial(&theirs, INSIDE, Some(&ours.0), nothing()).await, "x509: certificate signed by unknown authority");
}

#[tokio::test]
async fn the_environment_adds_trust_or_says_what_is_wrong_with_it() {
    let ca = root("shared-ca");
    let identity = ca.issue(&[INSIDE]);
    let of = |path: &str| dial(&identity, INSIDE, None, environment(&[("CHATCLI_GRPC_TLS_CA", path)]));
    says(&of("ca.pem").await, "CHATCLI_GRPC_TLS_CA must be an absolute path, got \"ca.pem\"; remedy: ");
    says(&of("/nowhere/ca.pem").await, "failed to read CA cert from /nowhere/ca.pem: ");
    let file = File::new("no.pem", "hello");
    says(&of(&file.path()).await, "failed to parse CA certificate");
    // Mended without a restart: the file is read at each dialing.
    std::fs::write(&file.0, &ca.pem).unwrap();
    assert_eq!(of(&file.path()).await, Ok(()));
    assert!(of("").await.is_err());
}

#[tokio::test]
async fn a_server_may_want_a_certificate_of_the_client() {
    let ca = root("both");
    let (identity, client) = (ca.issue(&[INSIDE]), ca.issue(&["operator"]));
    let serving = Serving { tls: Some(identity), client_ca: Some(ca.pem.clone()), ..Serving::default() };
    let server = Brain::new(&Truth::new()).serve(serving).await;
    let (certificate, key) = (File::new("client.crt", &client.0), File::new("client.key", &client.1));
    let of = |pairs: &[(&str, &str)]| {
        outcome(Settings {
            server_name: Some(INSIDE.to_owned()),
            ca_pem: Some(ca.pem.clone().into_bytes()),
            files: environment(pairs),
            ..Settings::new(&format!("https://{}", server.address))
        })
    };
    let (c, k) = ("CHATCLI_GRPC_TLS_CERT", "CHATCLI_GRPC_TLS_KEY");
    assert_eq!(of(&[(c, &certificate.path()), (k, &key.path())]).await, Ok(()));
    says(&of(&[(c, &certificate.path())]).await, "CHATCLI_GRPC_TLS_CERT set but CHATCLI_GRPC_TLS_KEY is missing");
    says(&of(&[(c, &key.path()), (k, &certificate.path())]).await, "the client certificate of CHATCLI_GRPC_TLS_CERT");
    assert!(of(&[]).await.is_err());
}

#[tokio::test]
async fn tls_and_plaintext_that_meet_are_told_apart() {
    let identity = self_signed(&[INSIDE], false);
    let secure = Brain::new(&Truth::new()).serve(Serving { tls: Some(identity.clone()), ..Serving::default() }).await;
    let plain = Brain::new(&Truth::new()).serve(Serving::default()).await;
    let to_plain = Settings {
        server_name: Some(INSIDE.to_owned()),
        ca_pem: Some(identity.0.into_bytes()),
        ..Settings::new(&format!("https://{}", plain.address))
    };
    says(&outcome(to_plain).await, &format!("{FAILED}tls: first record does not look like a TLS handshake; remedy: "));
    let to_secure = Settings::new(&format!("http://{}", secure.address));
    // The alert may be lost when the server hangs up: the words differ, the remedy does not.
    let plain_to_secure = outcome(to_secure).await;
    says(&plain_to_secure, "transport: error reading server preface: ");
    says(&plain_to_secure, "; remedy: if it has TLS, dial it with TLS");
    assert_eq!(outcome(Settings::new(&format!("http://{}", plain.address))).await, Ok(()));
}

#[tokio::test]
async fn who_is_not_there_is_said_so() {
    let refused = outcome(Settings::new("http://127.0.0.1:1")).await;
    says(&refused, "dial tcp 127.0.0.1:1: connect: connection refused; remedy: ");
    says(&outcome(Settings::new("http://no-such-host.invalid:50051")).await, "lookup no-such-host.invalid");
    for (address, why) in [
        ("127.0.0.1:1", "neither with http:// nor with https://"),
        ("http://", ""),
        ("http://:50051", ""),
        ("http://host:0", "port 0"),
        ("http://host:99999", ""),
        ("https://a b:1", ""),
    ] {
        says(&outcome(Settings::new(address)).await, why);
    }
    let wrong = Settings { server_name: Some("a b".into()), ..Settings::new("https://127.0.0.1:1") };
    says(&outcome(wrong).await, "\"a b\" is no name that a certificate can have");
}
