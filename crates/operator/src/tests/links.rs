//! Real links to real servers that are killed, cut off, renewed, demoted, removed and made again, while alerts come and
//! go: each alert is one Anomaly, and at the end exactly what fires is open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::Anomaly;
use api::anomaly::AnomalyState;
use api::shared::{ResourceRef, Severity};
use jiff::SignedDuration;
use kit::cache::{Hub, Key};
use kit::clock::{Clock, SystemClock};
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use pki::{Authority, Issued, issue_ca, issue_leaf};
use ports::server_link::{Question, Usage};
use proto::v1::{ServerState, TargetState};
use secrecy::SecretString;
use testkit::brain::{Brain, Mode, Running, Serving, Truth, Wire, alert};
use testkit::fake_api::FakeApi;
use tokio::time::Instant;

use crate::{Servers, Target, TrustOf};

const NAME: &str = "brain.ops.svc.cluster.local";
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until something is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The operator: its bridge, its links, and the API server.
struct Operator {
    fake: FakeApi,
    servers: Servers,
    supervisor: Supervisor,
}

impl Operator {
    async fn start(fake: FakeApi) -> Self {
        let (supervisor, _) = Supervisor::new();
        let metrics = Metrics::new("test");
        let hub = Hub::new(&supervisor, &metrics);
        let anomalies = hub.cache::<Anomaly>(kube::Api::all(fake.client()), kit::cache::config(), |_| {});
        hub.ready().await;
        let env = Env { supervisor: supervisor.clone(), metrics, clock: Arc::new(SystemClock) };
        let servers = Servers::new(vec![]).with_heartbeat(Duration::from_millis(700));
        let bridge = crate::bridge::start(fake.client(), &anomalies, "ops", &env);
        bridge.follow(&servers, &env);
        Self { fake, servers, supervisor }
    }

    fn open(&self) -> Vec<String> {
        let anomalies = self.fake.list::<Anomaly>();
        let open =
            anomalies.into_iter().filter(|a| a.status.as_ref().and_then(|s| s.state) != Some(AnomalyState::Resolved));
        let mut open: Vec<String> = open.map(|a| a.spec.alert_id.unwrap()).collect();
        open.sort();
        open
    }

    fn connected(&self, instance: &Key) -> Vec<bool> {
        self.servers.states(instance).iter().map(|state| state.connected.is_ok()).collect()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.supervisor.token().cancel();
    }
}

fn ca() -> Issued {
    issue_ca("test-ca", SystemClock.now(), SignedDuration::from_hours(24)).unwrap()
}

/// One replica behind a wire.
struct Replica {
    brain: Arc<Brain>,
    running: Running,
    wire: Wire,
}

fn serving(ca: &Issued) -> Serving {
    let authority = Authority { certificate: &ca.certificate, key: &ca.key };
    let leaf = issue_leaf(&[NAME.to_owned()], authority, SystemClock.now(), SignedDuration::from_hours(1)).unwrap();
    Serving { tls: Some((leaf.certificate, leaf.key)), ..Serving::default() }
}

impl Replica {
    async fn start(truth: &Arc<Truth>, ca: &Issued, token: &str, standby: bool) -> Self {
        let brain = Brain::new(truth);
        *brain.token.lock().unwrap() = Some(token.to_owned());
        brain.stand_by(standby);
        let running = brain.serve(serving(ca)).await;
        let wire = Wire::to(running.address).await;
        Self { brain, running, wire }
    }

    /// Another process with another certificate, on the same address.
    async fn again(&mut self, ca: &Issued) {
        self.running = self.brain.serve(serving(ca)).await;
        self.wire.lead_to(self.running.address);
    }

    fn target(&self, name: &str, ca: &Issued, token: &str) -> Target {
        Target {
            name: name.to_owned(),
            address: self.wire.address.to_string(),
            tls: Some(TrustOf { server_name: NAME.to_owned(), ca_pem: Some(ca.certificate.clone().into_bytes()) }),
            token: Some(SecretString::from(token.to_owned())),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_the_servers_no_alert_is_lost_or_doubled() {
    let operator = Operator::start(FakeApi::new()).await;
    let (truth, first_ca) = (Truth::new(), ca());
    let (shop, twin) = (Key::new("ops", "brain"), Key::new("other", "brain"));
    // Two replicas of one Instance, and another Instance that watches the same.
    let mut a = Replica::start(&truth, &first_ca, "t1", false).await;
    let b = Replica::start(&truth, &first_ca, "t1", true).await;
    let c = Replica::start(&truth, &first_ca, "t1", false).await;
    let both = |a: &Replica, ca: &Issued, token: &str| vec![a.target("a", ca, token), b.target("b", ca, token)];
    operator.servers.set(&shop, both(&a, &first_ca, "t1"));
    operator.servers.set(&twin, vec![c.target("c", &first_ca, "t1")]);
    until("all are connected", || operator.connected(&shop) == [true, true] && operator.connected(&twin) == [true])
        .await;
    assert!(operator.servers.states(&shop)[1].state.as_ref().unwrap().standby);

    // Alerts come and go all the time.
    let stream = {
        let truth = truth.clone();
        async move {
            for n in 0..u32::MAX {
                truth.fire(alert(&format!("a{n:05}"), "shop", &format!("web-{}", n % 20)));
                if n >= 60 && n % 2 == 0 {
                    truth.resolve(&format!("a{:05}", n - 60));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let story = async {
        let calm = || tokio::time::sleep(Duration::from_millis(300));
        calm().await;
        // A server is killed and comes back.
        a.wire.set(Mode::Cut);
        until("the cut is noticed", || operator.connected(&shop) == [false, true]).await;
        a.again(&first_ca).await;
        until("a is back", || operator.connected(&shop) == [true, true]).await;
        // The network is a black hole for both replicas, and for the other Instance.
        for wire in [&a.wire, &b.wire, &c.wire] {
            wire.set(Mode::Silent);
        }
        until("the silence is noticed", || operator.connected(&shop) == [false, false]).await;
        calm().await;
        for wire in [&a.wire, &b.wire, &c.wire] {
            wire.set(Mode::Whole);
        }
        until("all are back", || operator.connected(&shop) == [true, true] && operator.connected(&twin) == [true])
            .await;
        // Certificate and CA are replaced: first by the server, then the operator hears of it.
        let second_ca = ca();
        a.again(&second_ca).await;
        until("the new certificate is refused", || {
            let why = operator.servers.states(&shop)[0].connected.clone().err().unwrap_or_default();
            why.contains("transport: authentication handshake failed: x509: certificate signed by unknown authority")
        })
        .await;
        let bundle =
            Issued { certificate: format!("{}{}", second_ca.certificate, first_ca.certificate), key: String::new() };
        operator.servers.set(&shop, both(&a, &bundle, "t1"));
        until("the new CA is trusted", || operator.connected(&shop) == [true, true]).await;
        // The token is changed.
        for replica in [&a, &b] {
            *replica.brain.token.lock().unwrap() = Some("t2".to_owned());
            replica.wire.set(Mode::Cut);
            replica.wire.set(Mode::Whole);
        }
        until("the old token is refused", || {
            operator
                .servers
                .states(&shop)
                .iter()
                .all(|s| s.connected.clone().is_err_and(|why| why.contains("Unauthenticated")))
        })
        .await;
        operator.servers.set(&shop, both(&a, &bundle, "t2"));
        until("the new token is used", || operator.connected(&shop) == [true, true]).await;
        // The other replica takes over; both may raise alerts for a moment.
        b.brain.stand_by(false);
        calm().await;
        a.brain.stand_by(true);
        calm().await;
        // One replica less, then the Instance is deleted and made again.
        operator.servers.set(&shop, vec![b.target("b", &bundle, "t2")]);
        calm().await;
        operator.servers.set(&shop, vec![]);
        assert!(operator.servers.states(&shop).is_empty());
        c.wire.set(Mode::Cut);
        calm().await;
        operator.servers.set(&shop, vec![b.target("b", &bundle, "t2")]);
        c.wire.set(Mode::Whole);
        until("it is back", || operator.connected(&shop) == [true] && operator.connected(&twin) == [true]).await;
        calm().await;
    };
    tokio::select! {
        () = stream => {}
        () = story => {}
    }
    until("what fires is open, and nothing else", || operator.open() == truth.ids()).await;
    let all: Vec<String> = operator.fake.list::<Anomaly>().into_iter().map(|a| a.spec.alert_id.unwrap()).collect();
    let once: BTreeSet<&String> = all.iter().collect();
    assert_eq!(all.len(), once.len(), "an alert has two Anomalies");
    assert!(all.len() > 200, "{} alerts only", all.len());
    // The next life of the operator doubles and ends nothing.
    let fake = operator.fake.clone();
    drop(operator);
    let operator = Operator::start(fake).await;
    operator.servers.set(&twin, vec![c.target("c", &first_ca, "t1")]);
    until("c is heard", || operator.connected(&twin) == [true]).await;
    truth.resolve(&truth.ids()[0]);
    truth.fire(alert("last", "shop", "web"));
    until("the last one is there", || operator.open().contains(&"last".to_owned())).await;
    assert_eq!(operator.fake.list::<Anomaly>().len(), all.len() + 1);
}

fn question(namespace: &str) -> Question {
    Question {
        issue: "i".into(),
        namespace: namespace.into(),
        resource: ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: namespace.into() },
        root: None,
        signal: String::new(),
        severity: Severity::High,
        description: "d".into(),
        risk: 1,
        provider: String::new(),
        model: String::new(),
        attempt: 1,
        failed: vec![],
        spent: Usage::default(),
    }
}

fn plain(name: &str, server: &Running) -> Target {
    Target { name: name.into(), address: server.address.to_string(), tls: None, token: None }
}

#[tokio::test]
async fn questions_go_to_who_watches_the_object_in_turn_and_to_others_when_they_must() {
    let operator = Operator::start(FakeApi::new()).await;
    let truth = Truth::new();
    let brains: Vec<Arc<Brain>> = (0..3).map(|_| Brain::new(&truth)).collect();
    for (brain, namespace) in brains.iter().zip(["shop", "shop", "bank"]) {
        let target = TargetState { namespace: namespace.into(), ..TargetState::default() };
        brain.state.send_replace(ServerState { targets: vec![target], ..ServerState::default() });
    }
    let mut running = Vec::new();
    for brain in &brains {
        running.push(brain.serve(Serving::default()).await);
    }
    let (shop, bank) = (Key::new("ops", "shop"), Key::new("ops", "bank"));
    operator.servers.set(&shop, vec![plain("s0", &running[0]), plain("s1", &running[1])]);
    operator.servers.set(&bank, vec![plain("b0", &running[2])]);
    let known = |key: &Key| operator.servers.states(key).iter().all(|state| state.state.is_some());
    until("all have said what they watch", || known(&shop) && known(&bank)).await;
    let asked = || brains.iter().map(|brain| brain.asked.lock().unwrap().len()).collect::<Vec<_>>();
    for _ in 0..10 {
        operator.servers.analyze(&question("shop")).await.unwrap();
    }
    operator.servers.analyze(&question("bank")).await.unwrap();
    assert_eq!(asked(), [5, 5, 1]);
    // Those who watch it fail: the other one is asked, and when nobody answers, each is named.
    for brain in &brains[..2] {
        *brain.answer.lock().unwrap() = Err(tonic::Status::internal("the model is gone"));
    }
    operator.servers.analyze(&question("shop")).await.unwrap();
    assert_eq!(asked(), [6, 6, 2]);
    *brains[2].answer.lock().unwrap() = Err(tonic::Status::internal("gone too"));
    let errors = operator.servers.analyze(&question("shop")).await.unwrap_err().errors;
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 3, "{text:?}");
    for (server, said) in running.iter().zip(["model is gone", "model is gone", "gone too"]) {
        let address = server.address.to_string();
        assert!(text.iter().any(|t| t.contains(&address) && t.contains(said)), "{text:?}");
    }
}

#[tokio::test]
async fn an_instance_hears_of_its_links_and_a_bad_address_is_a_state() {
    let operator = Operator::start(FakeApi::new()).await;
    let key = Key::new("ops", "brain");
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (told, servers) = (heard.clone(), operator.servers.clone());
    // A listener may ask.
    operator.servers.on_change(move |key| told.lock().unwrap().push(servers.states(key)));
    let server = Brain::new(&Truth::new()).serve(Serving::default()).await;
    let bad = |address: &str| Target { name: address.into(), address: address.into(), tls: None, token: None };
    operator.servers.set(&key, vec![plain("good", &server), bad("no port:x"), bad("127.0.0.1:1")]);
    let states = || operator.servers.states(&key);
    until("one is connected, two are not", || {
        let states = states();
        states[0].connected.is_ok()
            && states[1].connected.clone().is_err_and(|why| why.contains("cannot be dialed"))
            && states[2].connected.clone().is_err_and(|why| why.contains("connect: connection refused; remedy: "))
    })
    .await;
    // The same again changes nothing: nobody is told, nothing is dialed anew.
    until("the changes were told", || heard.lock().unwrap().last().is_some_and(|last| *last == states())).await;
    operator.servers.set(&key, vec![plain("good", &server), bad("no port:x"), bad("127.0.0.1:1")]);
    assert!(states()[0].connected.is_ok());
    operator.servers.set(&key, vec![]);
    assert_eq!(heard.lock().unwrap().last(), Some(&vec![]));
    assert!(states().is_empty() && operator.servers.away().is_empty());
}
