//! What is wrong around a workload explains its symptom where the log speaks of it, and only there.

use super::*;
use crate::graph::{Finding, Standing};

fn finding(name: &str, class: CauseClass, statement: &str, words: &[&str]) -> Finding {
    let object =
        ObjectRef { kind: "Service".into(), name: name.into(), namespace: Some("shop".into()), ..ObjectRef::default() };
    Finding {
        rule: Rule::ServiceBroken,
        signal: Rule::ServiceBroken.signal(),
        standing: Standing::Outage,
        severity: api::shared::Severity::High,
        about: object.clone(),
        concerns: vec![workload()],
        cause: RootCause {
            statement: statement.into(),
            object: object.clone(),
            path: Some("spec.selector".into()),
            value: Some("app=dbb".into()),
            class,
            confidence: 0.9,
            proof: vec![fact(&object, "spec.selector", "app=dbb", "no pod has these labels")],
            ruled_out: Vec::new(),
        },
        words: words.iter().map(|w| (*w).to_owned()).collect(),
        candidates: Vec::new(),
        recommendations: vec!["Correct the selector.".into()],
        hold: 0,
    }
}

fn database() -> Finding {
    finding(
        "db",
        CauseClass::ServiceMisconfigured,
        "Service db selects no pods: its selector app=dbb matches none",
        &["db", "5432", "db.shop"],
    )
}

fn cache() -> Finding {
    finding(
        "cache",
        CauseClass::ScaledToZero,
        "Deployment cache is scaled to zero, and Service cache needs it",
        &["cache", "6379"],
    )
}

fn crash(lines: &[&str], suspects: Vec<Finding>) -> Evidence {
    let given = env(&[("DB_HOST", "db"), ("CACHE", "cache:6379")]);
    let p = crashing("p").spec(given.clone()).made(-90_000);
    Evidence { suspects, ..told(evidence(revisions(given.clone(), given, [p]), 5), lines) }
}

#[test]
fn the_log_tells_which_of_several_it_is() {
    let e = crash(&["dial tcp db:5432: connect: connection refused"], vec![cache(), database()]);
    let found = at_second(&e, 5);
    assert_eq!((found.cause.object.kind.as_str(), found.cause.object.name.as_str()), ("Service", "db"));
    assert_eq!(
        found.cause.statement,
        "Service db selects no pods: its selector app=dbb matches none, so that container web of Deployment web crashes (\"dial tcp db:5432: connect: connection refused\")"
    );
    assert!(found.cause.confidence > 0.9);
    assert!(found.cause.proof.iter().any(|p| p.rule == "the last run says why it ends"));
    assert!(found.cause.proof.iter().any(|p| p.rule == "no pod has these labels"));
    assert!(
        found.cause.ruled_out.iter().any(|r| r.hypothesis.starts_with("Deployment cache")),
        "{:?}",
        found.cause.ruled_out
    );
    // The port of an address is enough in a line about a connection.
    let found = at_second(&crash(&["connect ECONNREFUSED 10.96.0.9:6379"], vec![cache(), database()]), 5);
    assert_eq!(found.cause.object.name, "cache");
    assert!(found.cause.confidence < 0.9);
    // Full names are the same Service.
    let found = at_second(&crash(&["getaddrinfo ENOTFOUND db.shop.svc.cluster.local"], vec![database()]), 5);
    assert_eq!(found.cause.object.name, "db");
}

#[test]
fn a_log_that_speaks_of_something_else_acquits() {
    let found = at_second(&crash(&["panic: index out of range [3] with length 3"], vec![cache(), database()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
    assert_eq!(
        found.cause.ruled_out.iter().filter(|r| r.because.contains("the log")).count(),
        2,
        "{:?}",
        found.cause.ruled_out
    );
    let found = at_second(&crash(&["lookup elsewhere.example.com: no such host"], vec![database()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
    // `db` is not `db-replica`.
    let found = at_second(&crash(&["lookup db-replica: no such host"], vec![database()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
}

#[test]
fn a_single_suspect_is_taken_with_less_confidence_and_two_are_not() {
    let found = at_second(&crash(&["starting"], vec![database()]), 5);
    assert_eq!(found.cause.object.name, "db");
    assert!(found.cause.confidence <= 0.6);
    let found = at_second(&crash(&["starting"], vec![database(), cache()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
    let weak = Finding { standing: Standing::Suspect, ..database() };
    assert_eq!(at_second(&crash(&["starting"], vec![weak]), 5).cause.object.kind, "Deployment");
    // Without a name: the kind of trouble must fit.
    let found = at_second(&crash(&["Error: connect timed out"], vec![database()]), 5);
    assert_eq!(found.cause.object.name, "db");
    let found = at_second(&crash(&["java.lang.OutOfMemoryError: Java heap space"], vec![database()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
}

#[test]
fn a_question_at_the_end_of_a_finding_ends_the_sentence() {
    let meant = finding(
        "dbs",
        CauseClass::DependencyUnavailable,
        "env DB_HOST names host dbs, which does not exist; did you mean db?",
        &["dbs"],
    );
    let found = at_second(&crash(&["lookup dbs: no such host"], vec![meant]), 5);
    assert_eq!(
        found.cause.statement,
        "Container web of Deployment web crashes (\"lookup dbs: no such host\"): env DB_HOST names host dbs, which does not exist; did you mean db?"
    );
}

#[test]
fn a_suspect_makes_a_probe_honest() {
    let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    let p = pod("p", "r2").made(-9000).not_ready_since(0).running_since(-8000).event("Unhealthy", message, 9, 0, 50);
    let e = told(
        evidence(revisions(container(), container(), [pod("q", "r2"), p]), 60),
        &["ERROR cannot reach db:5432: connection refused"],
    );
    let found = at_second(&Evidence { suspects: vec![cache(), database()], ..e.clone() }, 60);
    assert_eq!(found.cause.object.name, "db", "{}", found.cause.statement);
    assert!(
        found.cause.statement.contains("so that container web of Deployment web is not ready any more"),
        "{}",
        found.cause.statement
    );
    // Without it the log is told.
    let found = at_second(&e, 60);
    assert!(found.cause.statement.contains("cannot reach db:5432"), "{}", found.cause.statement);
}

#[test]
fn words_that_every_line_has_accuse_nobody() {
    let proxy =
        finding("front", CauseClass::ServiceMisconfigured, "Service front has no port http", &["http", "front"]);
    let found = at_second(&crash(&["error: http: proxy error: unexpected EOF"], vec![proxy.clone()]), 5);
    assert_ne!(found.cause.object.name, "front", "{}", found.cause.statement);
    let trace = "panic: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    let found = at_second(&crash(&trace.lines().collect::<Vec<_>>(), vec![proxy.clone()]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
    assert!(
        found.cause.statement.ends_with("it says \"panic: index out of range\" at /src/main.go:3"),
        "{}",
        found.cause.statement
    );
    // The line is about a connection to another host, and names the Service in passing.
    let found = at_second(&crash(&["front: cannot reach payments:8080: connection refused"], vec![proxy]), 5);
    assert_ne!(found.cause.object.name, "front", "{}", found.cause.statement);
}

#[test]
fn what_cannot_make_a_process_crash_is_not_blamed_for_it() {
    // A broken way to the workload breaks nothing in it.
    let route =
        finding("web", CauseClass::RouteMisconfigured, "Ingress web names port 81, which Service web lacks", &["web"]);
    for line in ["starting", "web: panic: port 81"] {
        assert_eq!(at_second(&crash(&[line], vec![route.clone()]), 5).cause.object.kind, "Deployment");
    }
    // It says its own name.
    let front = finding("web", CauseClass::ServiceMisconfigured, "Service web leads to port 81", &["web"]);
    assert_eq!(at_second(&crash(&["web: stopping"], vec![front]), 5).cause.object.kind, "Deployment");
    // Nobody told it of this Service.
    let stranger = finding("mail", CauseClass::ServiceMisconfigured, "Service mail selects no pods", &["mail", "25"]);
    assert_eq!(at_second(&crash(&["starting"], vec![stranger]), 5).cause.object.kind, "Deployment");
}

/// A container that is not ready over a probe which asks another.
fn asking(message: &str, suspects: Vec<Finding>) -> Evidence {
    let script = "nc -w 1 $CART_STORE_SERVICE_HOST 80 </dev/null && test -s /srv/index.html";
    let probe = json!({"exec": {"command": ["sh", "-c", script]}, "timeoutSeconds": 4});
    let given = with(container(), "/readinessProbe", probe);
    let p = pod("p", "r2").spec(given.clone()).made(-9000).not_ready_since(0).running_since(-8000);
    let p = p.event("Unhealthy", message, 9, 0, 50);
    let other = pod("q", "r2").spec(given.clone());
    Evidence { suspects, ..evidence(revisions(given.clone(), given, [other, p]), 60) }
}

fn store(words: &[&str]) -> Finding {
    let said = "Service cart-store offers port 8000 only, while Deployment web asks it for port 80; did you mean 80?";
    finding("cart-store", CauseClass::ServiceMisconfigured, said, words)
}

#[test]
fn what_a_probe_needs_is_asked_before_its_own_times() {
    let words = ["cart-store", "cart-store:80", "$CART_STORE_SERVICE_HOST"];
    let own = "Readiness probe failed: nc: timed out";
    let late = "Readiness probe failed: command timed out: \"sh -c nc\" timed out after 4s";
    for message in [own, late] {
        let found = at_second(&asking(message, vec![store(&words)]), 60);
        assert_eq!(found.cause.object.name, "cart-store", "{}", found.cause.statement);
        assert_eq!(
            found.cause.statement,
            "Container web of Deployment web is not ready any more: Service cart-store offers port 8000 only, while Deployment web asks it for port 80; did you mean 80?"
        );
    }
    let path = |evidence: &Evidence| at_second(evidence, 60).cause.path.unwrap_or_default();
    // Nothing else is known: what the kubelet did not wait for is its time, what the command waited for is not.
    assert!(path(&asking(late, Vec::new())).ends_with("readinessProbe.timeoutSeconds"));
    assert!(path(&asking(own, Vec::new())).ends_with("readinessProbe.exec.command"));
    // Another port of that Service, another Service, and trouble of another kind.
    assert!(path(&asking(late, vec![store(&["cart-store", "cart-store:9090"])])).ends_with("timeoutSeconds"));
    assert!(path(&asking(late, vec![store(&["cart", "cart:80"])])).ends_with("timeoutSeconds"));
    let missing = "Readiness probe failed: sh: can't open '/srv/ready.sh': No such file or directory";
    assert!(path(&asking(missing, vec![store(&words)])).contains("readinessProbe"));
}

#[test]
fn a_server_that_moved_explains_who_is_refused_and_nobody_else() {
    let mut moved = store(&["cart-store", "cart-store:80", "80"]);
    moved.cause.statement = "Revision 2 of Deployment cart-store changed env LISTEN from 80 to 81, while Service cart-store still sends to port 80 of its pods".into();
    moved.cause.proof[0].time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0)));
    moved.standing = Standing::Suspect;
    let refused = "Readiness probe failed: nc: can't connect to remote host (10.96.0.9): Connection refused";
    let found = at_second(&asking(refused, vec![moved.clone()]), 60);
    assert_eq!(found.cause.object.name, "cart-store", "{}", found.cause.statement);
    assert!(
        found.cause.statement.ends_with("so that container web of Deployment web is not ready any more"),
        "{}",
        found.cause.statement
    );
    for other in [
        "Readiness probe failed: nc: timed out",
        "Readiness probe failed: command timed out: \"sh\" timed out after 4s",
    ] {
        let found = at_second(&asking(other, vec![moved.clone()]), 60);
        assert_eq!(found.cause.object.name, "web", "{}", found.cause.statement);
    }
}
