//! The stream over a wire that is cut and goes silent, from servers that take over from each other.

use secrecy::SecretString;
use testkit::brain::{Brain, Mode, Serving, Truth, Wire, alert};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;

/// A link that runs.
struct Heard {
    link: ServerLink,
    events: mpsc::Receiver<LinkEvent>,
    _tasks: JoinSet<()>,
}

impl Heard {
    fn new(settings: Settings) -> Self {
        let link = ServerLink::new(settings).unwrap();
        let (sender, events) = mpsc::channel(64);
        let running = link.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { running.run(sender, now).await });
        Self { link, events, _tasks: tasks }
    }

    async fn next(&mut self) -> LinkEvent {
        tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await.expect("nothing came").expect("ended")
    }

    /// Short words for the next events.
    async fn words(&mut self, count: usize) -> Vec<String> {
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(match self.next().await {
                LinkEvent::Begin => "begin".to_owned(),
                LinkEvent::Synced => "synced".to_owned(),
                LinkEvent::State(state) => if state.standby { "standby" } else { "state" }.to_owned(),
                LinkEvent::Alert(alert) => {
                    format!("{}{}", if alert.resolved_at.is_some() { "-" } else { "+" }, alert.id)
                }
                LinkEvent::Disconnected { why } => format!("disconnected: {why}"),
            });
        }
        words
    }
}

#[tokio::test]
async fn a_replica_on_standby_tells_nothing_and_everything_when_it_takes_over() {
    let truth = Truth::new();
    truth.fire(alert("a", "shop", "web"));
    let brain = Brain::new(&truth);
    brain.stand_by(true);
    let server = brain.serve(Serving::default()).await;
    let mut heard = Heard::new(Settings::new(&format!("http://{}", server.address)));
    assert_eq!(heard.words(2).await, ["begin", "standby"]);
    truth.fire(alert("b", "shop", "api"));
    brain.stand_by(false);
    assert_eq!(heard.words(5).await, ["state", "begin", "+a", "+b", "synced"]);
    truth.resolve("a");
    assert_eq!(heard.words(1).await, ["-a"]);
    brain.stand_by(true);
    assert_eq!(heard.words(1).await, ["standby"]);
    brain.stand_by(false);
    assert_eq!(heard.words(4).await, ["state", "begin", "+b", "synced"]);
}

#[tokio::test]
async fn a_connection_that_is_cut_or_goes_silent_is_made_anew() {
    let truth = Truth::new();
    let brain = Brain::new(&truth);
    let server = brain.serve(Serving::default()).await;
    let wire = Wire::to(server.address).await;
    let settings =
        Settings { heartbeat: Duration::from_millis(600), ..Settings::new(&format!("http://{}", wire.address)) };
    let mut heard = Heard::new(settings);
    assert_eq!(heard.words(3).await, ["begin", "state", "synced"]);
    for mode in [Mode::Silent, Mode::Cut] {
        wire.set(mode);
        let why = heard.words(1).await.remove(0);
        assert!(why.starts_with("disconnected: "), "{why}");
        assert_eq!(why.contains("no answer within 0.6 s"), mode == Mode::Silent, "{why}");
        truth.fire(alert(&format!("{mode:?}"), "shop", "web"));
        wire.set(Mode::Whole);
        loop {
            if heard.next().await == LinkEvent::Synced {
                break;
            }
        }
        // Questions go over the new connection as well.
        assert_eq!(heard.link.analyze(&question()).await.unwrap().text, "it is the image");
    }
    assert_eq!(truth.ids().len(), 2);
}

fn question() -> Question {
    Question {
        issue: "web-down".into(),
        namespace: "shop".into(),
        resource: api::shared::ResourceRef { kind: "Deployment".into(), name: "web".into(), namespace: "shop".into() },
        root: None,
        signal: "image_pull_error".into(),
        severity: Severity::High,
        description: "d".into(),
        risk: 1,
        provider: String::new(),
        model: String::new(),
        attempt: 1,
        failed: vec![],
        spent: Usage { input_tokens: 10, output_tokens: 5, cost_usd: 0.5, calls: 2 },
    }
}

#[tokio::test]
async fn a_token_is_kept_in_memory_and_a_wrong_one_is_said_so() {
    let brain = Brain::new(&Truth::new());
    *brain.token.lock().unwrap() = Some("right".into());
    let server = brain.serve(Serving::default()).await;
    let with = |token: &str| Settings {
        token: Some(SecretString::from(token.to_owned())),
        ..Settings::new(&format!("http://{}", server.address))
    };
    let mut heard = Heard::new(with("right\n"));
    assert_eq!(heard.words(1).await, ["begin"]);
    heard.link.analyze(&question()).await.unwrap();
    let asked = brain.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.spent.map(|usage| (usage.input_tokens, usage.calls)), Some((10, 2)));

    let why = Heard::new(with("wrong")).words(1).await.remove(0);
    assert!(why.contains("code = Unauthenticated desc = authentication failed; remedy: check the token"), "{why}");
    let why = Heard::new(with("two\nlines")).words(1).await.remove(0);
    assert!(why.contains("characters that no header can have; remedy: "), "{why}");
    assert!(!why.contains("lines"), "the token is not told");
    assert!(!format!("{:?}", with("right")).contains("right"), "nor shown");
}

#[tokio::test(start_paused = true)]
async fn attempts_become_rarer_up_to_half_a_minute() {
    let mut heard = Heard::new(Settings::new("http://127.0.0.1:1"));
    let mut gaps = Vec::new();
    for _ in 0..14 {
        let before = tokio::time::Instant::now();
        heard.next().await;
        gaps.push(before.elapsed());
    }
    assert!(gaps[1] < Duration::from_millis(210), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= Duration::from_secs(30)), "{gaps:?}");
    assert!(gaps.iter().skip(10).all(|gap| *gap >= Duration::from_secs(15)), "{gaps:?}");
}
