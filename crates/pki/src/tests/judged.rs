//! Each mistake is found, in Go's words, in the right key of the Secret, with a remedy that helps.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};

use super::*;

fn only(findings: &[Finding]) -> &Finding {
    let [one] = findings else { panic!("one finding was expected, not {findings:#?}") };
    one
}

#[test]
fn a_good_certificate_has_no_findings() {
    let ca = Ca::root("internal-ca");
    let (certificate, key) = ca.issue(&[NAME, "*.example.com", "10.0.0.7"], |_| {});
    assert_eq!(found(&certificate, &key, Some(&ca.pem), &[NAME, "chat.example.com", "10.0.0.7"]), []);
    // A public issuer: no ca.crt, the machine trusts it.
    let given = Given {
        certificate: Some(certificate.as_bytes()),
        key: Some(key.as_bytes()),
        ca: None,
        names: &names(&["chat.example.com"]),
    };
    let machine = Trust::nobody().and(ca.pem.as_bytes()).unwrap();
    assert_eq!(inspect(&given, &machine, now()), []);
    assert_eq!(problems(&inspect(&given, &Trust::nobody(), now())), [Problem::UnknownAuthority]);
}

#[test]
fn names_are_compared_as_go_does_it() {
    let ca = Ca::root("ca");
    let text = |made_for: &[&str], wanted: &str| {
        let (certificate, key) = ca.issue(made_for, |_| {});
        let findings = found(&certificate, &key, Some(&ca.pem), &[wanted]);
        assert!(findings.iter().all(|f| f.field == Field::Certificate && f.remedy.contains(wanted)), "{findings:#?}");
        only(&findings).text.clone()
    };
    assert_eq!(text(&["a.svc", "b.svc"], NAME), format!("x509: certificate is valid for a.svc, b.svc, not {NAME}"));
    assert_eq!(
        text(&["10.0.0.1"], NAME),
        format!("x509: certificate is not valid for any names, but wanted to match {NAME}")
    );
    assert_eq!(
        text(&["a.svc"], "10.0.0.1"),
        "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs"
    );
    assert_eq!(text(&["10.0.0.2"], "10.0.0.1"), "x509: certificate is valid for 10.0.0.2, not 10.0.0.1");
    let many: Vec<String> = (0..150).map(|n| format!("n{n}.svc")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(text(&many, NAME), format!("x509: certificate is valid for 150 names, but none matched {NAME}"));
    // A wildcard is for one label.
    assert!(text(&["*.svc"], "a.b.svc").contains("is valid for *.svc, not a.b.svc"));
}

#[test]
fn a_common_name_alone_is_said_so() {
    let ca = Ca::root("ca");
    let named = |cn: &str| {
        let (certificate, key) = ca.issue(&[], |p| p.distinguished_name.push(rcgen::DnType::CommonName, cn));
        only(&found(&certificate, &key, Some(&ca.pem), &[NAME])).clone()
    };
    let legacy = named(NAME);
    assert_eq!(legacy.text, "x509: certificate relies on legacy Common Name field, use SANs instead");
    assert_eq!(legacy.problem, Problem::LegacyCommonName);
    let other = named("other");
    assert_eq!(other.text, format!("x509: certificate is not valid for any names, but wanted to match {NAME}"));
}

#[test]
fn who_signed_it_is_found_out() {
    let (ca, other) = (Ca::root("internal-ca"), Ca::root("other-ca"));
    let middle = ca.below("middle-ca");
    let (certificate, key) = middle.issue(&[NAME], |_| {});
    let whole = format!("{certificate}{}", middle.pem);
    assert_eq!(found(&whole, &key, Some(&ca.pem), &[NAME]), []);
    assert_eq!(found(&certificate, &key, Some(&middle.pem), &[NAME]), []);

    let incomplete = found(&certificate, &key, Some(&ca.pem), &[NAME]);
    let finding = only(&incomplete);
    assert_eq!((finding.problem, finding.field), (Problem::UnknownAuthority, Field::Ca));
    assert_eq!(finding.text, "x509: certificate signed by unknown authority");
    assert!(
        finding.remedy.contains("\"middle-ca\"")
            && finding.remedy.contains("cat server.crt intermediate.crt > tls.crt")
    );

    let foreign = found(&whole, &key, Some(&other.pem), &[NAME]);
    assert!(only(&foreign).remedy.contains("ca.crt has \"other-ca\", and not \"internal-ca\""), "{foreign:#?}");
    let without = found(&whole, &key, None, &[NAME]);
    assert!(only(&without).remedy.contains("ca.crt is not in the Secret"), "{without:#?}");
    // The name of the CA is the same, its key is another one.
    let twin = Ca::root("internal-ca");
    assert_eq!(problems(&found(&whole, &key, Some(&twin.pem), &[NAME])), [Problem::UnknownAuthority]);
    // Two in one file, one of them right.
    assert_eq!(found(&whole, &key, Some(&format!("{}{}", other.pem, ca.pem)), &[NAME]), []);
}

#[test]
fn a_ca_as_a_server_is_taken_when_it_is_trusted_itself() {
    let ca = Ca::root("internal-ca");
    let (certificate, key) = ca.issue(&[NAME], |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let findings = found(&certificate, &key, Some(&ca.pem), &[NAME]);
    assert_eq!(only(&findings).problem, Problem::CaAsServer);
    assert!(only(&findings).remedy.contains("CA:FALSE") && only(&findings).remedy.contains("cat tls.crt >> ca.crt"));
    assert_eq!(found(&certificate, &key, Some(&format!("{}{certificate}", ca.pem)), &[NAME]), []);
    assert_eq!(problems(&found(&certificate, &key, Some(&Ca::root("x").pem), &[NAME])), [Problem::UnknownAuthority]);
}

#[test]
fn its_time_is_looked_at_first() {
    let ca = Ca::root("ca");
    let between = |from: i32, to: i32| {
        let (certificate, key) = ca.issue(&[NAME], |p| {
            p.not_before = date_time_ymd(from, 1, 1);
            p.not_after = date_time_ymd(to, 1, 1);
        });
        found(&certificate, &key, Some(&ca.pem), &[NAME])
    };
    assert_eq!(between(2025, 2027), []);
    let over = between(2024, 2025);
    assert_eq!(
        over[0].text,
        "x509: certificate has expired or is not yet valid: current time 2026-03-01T12:00:00Z is after 2025-01-01T00:00:00Z"
    );
    assert_eq!(over[0].problem, Problem::Expired);
    let early = between(2027, 2028);
    assert!(early[0].text.contains("is before 2027-01-01T00:00:00Z"), "{early:#?}");
    assert_eq!((early[0].problem, problems(&early).len()), (Problem::NotYetValid, 1));
}

#[test]
fn an_old_ca_beside_a_new_one_is_a_remark() {
    let (old, new) = (Ca::root("old"), Ca::root("new"));
    let (certificate, key) = new.issue(&[NAME], |_| {});
    let expired = old.issue(&[], |p| p.not_after = date_time_ymd(2025, 1, 1)).0;
    let findings = found(&certificate, &key, Some(&format!("{expired}{}", new.pem)), &[NAME]);
    assert_eq!((only(&findings).problem, only(&findings).field), (Problem::CaExpired, Field::Ca));
    assert!(!only(&findings).problem.is_fatal());
}

#[test]
fn a_certificate_for_clients_is_none_for_servers() {
    let ca = Ca::root("ca");
    let (certificate, key) = ca.issue(&[NAME], |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let findings = found(&certificate, &key, Some(&ca.pem), &[NAME]);
    assert_eq!(only(&findings).text, "x509: certificate specifies an incompatible key usage");
}

#[test]
fn the_pair_is_checked() {
    let ca = Ca::root("ca");
    let (certificate, key) = ca.issue(&[NAME], |_| {});
    let other = KeyPair::generate().unwrap().serialize_pem();
    let mismatch = found(&certificate, &other, Some(&ca.pem), &[NAME]);
    assert_eq!(only(&mismatch).text, "tls: private key does not match public key");
    assert_eq!((only(&mismatch).problem, only(&mismatch).field), (Problem::KeyMismatch, Field::Key));
    let order = found(&format!("{}{certificate}", ca.pem), &key, Some(&ca.pem), &[NAME]);
    assert_eq!((only(&order).problem, only(&order).field), (Problem::WrongOrder, Field::Certificate));
    assert!(only(&order).remedy.contains("number 2"));
}

#[test]
fn what_is_no_pem_is_said_so() {
    let ca = Ca::root("ca");
    let (certificate, key) = ca.issue(&[NAME], |_| {});
    let ca_pem = Some(ca.pem.as_str());
    let first = |certificate: &str, key: &str, ca: Option<&str>| {
        let finding = found(certificate, key, ca, &[NAME]).remove(0);
        (finding.field, finding.problem, finding.text)
    };
    assert_eq!(
        first("hello", &key, ca_pem),
        (Field::Certificate, Problem::NotPem, "tls: failed to find any PEM data in certificate input".into())
    );
    assert_eq!(first(" \n", &key, ca_pem).1, Problem::Empty);
    assert_eq!(
        first(&certificate, "hello", ca_pem),
        (Field::Key, Problem::NotPem, "tls: failed to find any PEM data in key input".into())
    );
    assert_eq!(
        first(&certificate, "", ca_pem),
        (Field::Key, Problem::Empty, "key tls.key of the Secret is empty".into())
    );
    assert!(first(&key, &certificate, ca_pem).2.contains("PEM inputs may have been switched"));
    assert!(first(&certificate, &certificate, ca_pem).2.contains("found a certificate rather than a key"));
    assert_eq!(
        first(&certificate, &key, Some("hello")),
        (Field::Ca, Problem::NotPem, "failed to parse CA certificate".into())
    );
    assert_eq!(first(&certificate, &key, Some("")).1, Problem::Empty);
    assert_eq!(first(&certificate.replace("MII", "M!I"), &key, ca_pem).0, Field::Certificate);
    // Cut off: the end is missing.
    assert_eq!(first(&certificate[..200], &key, ca_pem).1, Problem::NotPem);
    let nothing = inspect(&Given::default(), &Trust::nobody(), now());
    assert_eq!(problems(&nothing), [Problem::Missing, Problem::Missing]);
    for finding in &nothing {
        assert!(finding.to_string().contains("remedy: "), "{finding}");
    }
}
