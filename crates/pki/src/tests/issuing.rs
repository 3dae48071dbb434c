//! What we issue is what we accept, and is replaced in time.

use super::*;

#[test]
fn a_certificate_of_ours_is_good_for_all_of_its_names_until_it_ends() {
    let ca = issue_ca("chatcli-prod", now(), years(10)).unwrap();
    let wanted = [NAME, "chatcli-prod.chatcli-system.svc", "chatcli-prod", "localhost", "10.1.2.3", "::1"];
    let authority = Authority { certificate: &ca.certificate, key: &ca.key };
    let leaf = issue_leaf(&names(&wanted), authority, now(), SignedDuration::from_hours(24 * 90)).unwrap();
    assert_eq!(found(&leaf.certificate, &leaf.key, Some(&ca.certificate), &wanted), []);
    let given = Given {
        certificate: Some(leaf.certificate.as_bytes()),
        key: Some(leaf.key.as_bytes()),
        ca: Some(ca.certificate.as_bytes()),
        names: &names(&[NAME]),
    };
    // The clock of another node is a little behind.
    assert_eq!(inspect(&given, &Trust::nobody(), now() - SignedDuration::from_mins(4)), []);
    let late = inspect(&given, &Trust::nobody(), now() + SignedDuration::from_hours(24 * 91));
    assert_eq!(problems(&late)[0], Problem::Expired);

    let renew = renew_at(leaf.certificate.as_bytes()).unwrap();
    let days = renew.duration_since(now()).as_hours() / 24;
    assert!((59..=60).contains(&days), "after {days} days");
    // The CA signs servers only.
    let other = issue_ca("other", now(), years(10)).unwrap();
    assert_eq!(
        problems(&found(&leaf.certificate, &leaf.key, Some(&other.certificate), &[NAME])),
        [Problem::UnknownAuthority]
    );
}

#[test]
fn a_successor_and_its_predecessor_are_trusted_together() {
    let (old, new) = (issue_ca("ca", now(), years(1)).unwrap(), issue_ca("ca", now(), years(1)).unwrap());
    let both = format!("{}{}", new.certificate, old.certificate);
    for ca in [&old, &new] {
        let authority = Authority { certificate: &ca.certificate, key: &ca.key };
        let leaf = issue_leaf(&names(&[NAME]), authority, now(), years(1)).unwrap();
        assert_eq!(found(&leaf.certificate, &leaf.key, Some(&both), &[NAME]), []);
    }
}

#[test]
fn what_cannot_be_issued_is_refused_with_a_remedy() {
    let ca = issue_ca("ca", now(), years(10)).unwrap();
    let other = issue_ca("ca", now(), years(10)).unwrap();
    let good = Authority { certificate: &ca.certificate, key: &ca.key };
    let issue = |names: &[&str], ca, lifetime| {
        issue_leaf(&super::names(names), ca, now(), lifetime).map(|_| ()).unwrap_err().to_string()
    };
    assert!(issue(&[], good, years(1)).contains("needs a name"));
    assert!(issue(&["a b"], good, years(1)).contains("\"a b\""));
    assert!(issue(&[""], good, years(1)).contains("DNS name"));
    assert!(
        issue(&[NAME], good, SignedDuration::ZERO).contains("shorter lifetime")
            || issue(&[NAME], good, SignedDuration::ZERO).contains("cannot last")
    );
    assert!(issue(&[NAME], Authority { key: &other.key, ..good }, years(1)).contains("does not match"));
    assert!(issue(&[NAME], Authority { certificate: "no", ..good }, years(1)).contains("the CA cannot issue"));
    assert!(issue_ca("ca", now(), years(20_000)).map(|_| ()).is_err());
    assert!(renew_at(b"no").is_err());
}

#[test]
fn a_stand_in_says_the_same_of_its_time_and_names() {
    let said = Validity {
        begins: now() - years(3),
        ends: now() - years(1),
        names: vec!["shop.example".to_owned(), "*.shop.example".to_owned()],
    };
    let certificate = stand_in(&said).unwrap();
    assert_eq!(validity(certificate.as_bytes()).unwrap(), said);
    let nameless = Validity { names: vec!["not a name\u{e9}".to_owned()], ..said.clone() };
    assert!(validity(stand_in(&nameless).unwrap().as_bytes()).unwrap().names.is_empty());
    assert!(stand_in(&Validity { ends: jiff::Timestamp::MAX, ..said }).is_ok());
}
