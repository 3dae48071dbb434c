//! Every provider of the contract against a server that speaks its format: it answers, the key is wrong, it is rate limited,
//! silent, broken, down. `cargo test -p ports --test llm -- --nocapture matrix` prints the table.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::llm::{Ask, Keep, Provider, Section, Usage};
use jiff::{SignedDuration, Timestamp};
use ports::llm::{Llm, Outcome, Time};
use testkit::llm::{Answer, INPUT, KEY, LlmServer, OUTPUT, nowhere};

const GOOD: &str = r#"{"statement":"The image is missing","class":"ImageNotFound","explanation":"The pull fails.","confidence":0.8,"log_analysis":null,"recommendations":["Push it"],"actions":[]}"#;
/// Long enough for everything that answers.
const WITHIN: Duration = Duration::from_mins(1);

type Vars = BTreeMap<String, String>;
/// A provider, the path that it is asked at, and its variables.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Variables of a provider at an address.
fn at(provider: Provider, url: &str) -> Vars {
    let pairs: &[(&str, &str)] = match provider {
        Provider::OpenAi => &[("OPENAI_API_KEY", KEY), ("OPENAI_API_URL", url)],
        Provider::ClaudeAi => &[("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url)],
        Provider::Bedrock => {
            &[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "s/e+c"), ("BEDROCK_BASE_URL", url)]
        }
        Provider::GoogleAi => &[("GOOGLEAI_API_KEY", KEY), ("GOOGLEAI_BASE_URL", url)],
        Provider::Xai => &[("XAI_API_KEY", KEY), ("XAI_API_URL", url)],
        Provider::Zai => &[("ZAI_API_KEY", KEY), ("ZAI_API_URL", url)],
        Provider::MiniMax => &[("MINIMAX_API_KEY", KEY), ("MINIMAX_API_URL", url)],
        Provider::Moonshot => &[("MOONSHOT_API_KEY", KEY), ("MOONSHOT_API_URL", url)],
        Provider::Ollama => &[("OLLAMA_BASE_URL", url)],
        Provider::Copilot => &[("GITHUB_COPILOT_TOKEN", KEY), ("COPILOT_API_BASE_URL", url)],
        Provider::GithubModels => &[("GITHUB_TOKEN", KEY), ("GITHUB_MODELS_API_URL", url)],
        Provider::OpenRouter => &[("OPENROUTER_API_KEY", KEY), ("OPENROUTER_API_URL", url)],
        Provider::OpenAiAssistant => &[("OPENAI_API_KEY", KEY)],
        Provider::StackSpot => {
            &[("CLIENT_ID", "a"), ("CLIENT_KEY", KEY), ("STACKSPOT_AUTH_URL", url), ("STACKSPOT_API_URL", url)]
        }
        Provider::Devin | Provider::Builtin => &[],
    };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The one that is asked next.
fn second(first: Provider) -> Provider {
    if first == Provider::Ollama { Provider::OpenAi } else { Provider::Ollama }
}

fn chained(provider: Provider, url: &str, next: &str) -> Vars {
    let other = second(provider);
    let mut vars = at(other, next);
    vars.extend(at(provider, url));
    vars.insert("CHATCLI_FALLBACK_PROVIDERS".into(), other.name().into());
    vars.insert(format!("CHATCLI_FALLBACK_MODEL_{other}"), "gpt-4o".into());
    vars
}

/// Waits that were asked for; none is really waited.
type Waits = Arc<Mutex<Vec<Duration>>>;

struct Bench {
    llm: Llm,
    waits: Waits,
    now: Arc<Mutex<Timestamp>>,
}

fn bench(vars: impl Into<Vars>, provider: &str) -> Bench {
    let vars: Vars = vars.into();
    let (waits, now) = (Waits::default(), Arc::new(Mutex::new("2025-11-25T03:00:00Z".parse::<Timestamp>().unwrap())));
    let (log, clock) = (waits.clone(), now.clone());
    let time = Time::new(move || *clock.lock().unwrap()).waiting(move |wait| {
        log.lock().unwrap().push(wait);
        Box::pin(std::future::ready(()))
    });
    let llm = Llm::from_env(&|name: &str| vars.get(name).cloned(), provider, "", time);
    Bench { llm, waits, now }
}

impl Bench {
    async fn analyse(&self, within: Duration) -> Outcome {
        self.asked(&Ask { issue: "web-1".into(), ..Ask::default() }, within).await
    }

    async fn asked(&self, ask: &Ask, within: Duration) -> Outcome {
        let section = Section { title: "Log", text: "failed to pull\npassword=hunter2".into(), keep: Keep::Tail };
        self.llm.analyse(ask, &[section], within).await
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }

    fn pass(&self, time: SignedDuration) {
        *self.now.lock().unwrap() += time;
    }
}

fn by(outcome: &Outcome) -> Provider {
    outcome.answer.as_ref().map_or(Provider::Builtin, |(_, provider, _)| *provider)
}

fn reason(outcome: &Outcome) -> &str {
    outcome.fallback_reason.as_deref().unwrap_or_default()
}

fn cell(outcome: &Outcome) -> String {
    let Usage { input_tokens, output_tokens, cost_usd, calls } = outcome.usage;
    format!("{} {calls}× {input_tokens}/{output_tokens} ${cost_usd:.4}", by(outcome))
}

fn says(text: &str) -> Answer {
    Answer::Says(text.into())
}

/// One row of the table.
async fn row(provider: Provider) -> Vec<String> {
    let name = provider.name();
    let next = LlmServer::start(says(GOOD)).await;
    let other = second(provider);
    let mut cells = vec![name.to_owned()];

    // It answers.
    let server = LlmServer::start(says(GOOD)).await;
    let usual = bench(chained(provider, &server.url(), &next.url()), name);
    let outcome = usual.analyse(WITHIN).await;
    assert_eq!((by(&outcome), outcome.fallback_reason.clone()), (provider, None), "{name}");
    let usage = outcome.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.calls), (INPUT, OUTPUT, 1), "{name}");
    let priced = !matches!(provider, Provider::Ollama | Provider::StackSpot);
    assert_eq!(usage.cost_usd > 0.0, priced, "{name}: {usage:?}");
    let (answer, _, model) = outcome.answer.clone().unwrap();
    assert_eq!(answer.confidence, Some(0.8));
    assert_eq!(Some(model.as_str()), provider.default_model());
    let seen = server.seen();
    let body = seen[0].body.to_string();
    let asked = format!("{} {}", seen[0].path, seen[0].body["model"]);
    assert!(
        asked.contains(if provider == Provider::StackSpot { "/agent/default/" } else { &model }),
        "{name}: {asked}"
    );
    assert!(body.contains("failed to pull") && !body.contains("hunter2"), "{name}: {body}");
    assert!(usual.llm.state().ready, "{name}: {:?}", usual.llm.state());
    cells.push(cell(&outcome));

    // The key is wrong. Ollama has none.
    if provider == Provider::Ollama {
        cells.push("has no key".into());
    } else {
        let mut vars = chained(provider, &server.url(), &next.url());
        for value in vars.values_mut().filter(|value| *value == KEY) {
            *value = "wrong-key".into();
        }
        let wrong = bench(vars, name);
        let before = server.seen().len();
        let outcome = wrong.analyse(WITHIN).await;
        assert_eq!(by(&outcome), other, "{name}: {outcome:?}");
        // StackSpot tells it before anything is asked.
        let asked = usize::from(provider != Provider::StackSpot);
        assert_eq!(server.seen().len() - before, asked, "{name}: a wrong key is not tried again");
        assert!(reason(&outcome).contains("HTTP 4") && reason(&outcome).contains("valid key under"), "{outcome:?}");
        assert!(!reason(&outcome).contains("wrong-key"), "{outcome:?}");
        let state = wrong.llm.state();
        assert!(!state.ready && state.problem.contains("remedy"), "{state:?}");
        wrong.analyse(WITHIN).await;
        assert_eq!(server.seen().len() - before, asked, "{name}: it rests after that");
        wrong.pass(SignedDuration::from_mins(5));
        wrong.analyse(WITHIN).await;
        assert_eq!(server.seen().len() - before, 2 * asked, "{name}: and is asked again later");
        cells.push(cell(&outcome));
    }

    // Rate limited.
    let limited = bench(chained(provider, &server.url(), &next.url()), name);
    server.script([Answer::RateLimited("7".into())]);
    let outcome = limited.analyse(WITHIN).await;
    assert_eq!((by(&outcome), outcome.usage.calls), (provider, 2), "{name}: {outcome:?}");
    assert!(matches!(limited.waits()[..], [wait] if (7.0..7.5).contains(&wait.as_secs_f64())), "{:?}", limited.waits());
    cells.push(cell(&outcome));

    // Silent.
    let silent = LlmServer::start(Answer::Silence).await;
    let slow = bench(chained(provider, &silent.url(), &next.url()), name);
    let outcome = slow.analyse(Duration::from_secs(20)).await;
    assert_eq!(by(&outcome), other, "{name}: {outcome:?}");
    assert!(reason(&outcome).contains("no answer within"), "{outcome:?}");
    cells.push(cell(&outcome));

    // Broken: first in what the model says, which it mends, then in what the provider sends.
    server.script([says("I think that {it is} the image.")]);
    let mends = bench(chained(provider, &server.url(), &next.url()), name);
    let outcome = mends.analyse(WITHIN).await;
    assert_eq!(
        (by(&outcome), outcome.usage.calls, outcome.usage.input_tokens),
        (provider, 2, 2 * INPUT),
        "{outcome:?}"
    );
    let last = server.seen().pop().unwrap().body.to_string();
    assert!(last.contains("could not be read") && last.contains("{it is}"), "{name}: {last}");
    for answer in [Answer::Half, Answer::Html, Answer::Other, says("no"), says("{\"a\":1}")] {
        let broken = LlmServer::start(answer.clone()).await;
        let hopeless = bench(chained(provider, &broken.url(), &next.url()), name);
        let outcome = hopeless.analyse(WITHIN).await;
        assert_eq!(by(&outcome), other, "{name} {answer:?}: {outcome:?}");
        assert!(broken.seen().len() <= 3, "{name} {answer:?}");
    }
    cells.push(format!("mended: {}", cell(&outcome)));

    // Down, and then everybody.
    let down = bench(chained(provider, &nowhere().await, &next.url()), name);
    let outcome = down.analyse(WITHIN).await;
    assert_eq!((by(&outcome), down.waits().len()), (other, 2), "{name}: {outcome:?}");
    let all = bench(chained(provider, &nowhere().await, &nowhere().await), name).analyse(WITHIN).await;
    assert_eq!(by(&all), Provider::Builtin, "{name}: {all:?}");
    assert!(reason(&all).contains(name) && reason(&all).contains(other.name()), "{all:?}");
    cells.push(format!("{} → {}", cell(&outcome), by(&all)));
    cells
}

/// One row of a provider that cannot be asked.
async fn barred(provider: Provider) -> Vec<String> {
    let name = provider.name();
    let next = LlmServer::start(says(GOOD)).await;
    let mut vars = chained(provider, "http://127.0.0.1:1", &next.url());
    vars.remove("COPILOT_API_BASE_URL");
    let bench = bench(vars, name);
    let state = bench.llm.state();
    assert!(!state.ready && state.problem.contains("remedy: "), "{state:?}");
    let outcome = bench.analyse(WITHIN).await;
    assert_eq!(by(&outcome), second(provider));
    assert!(reason(&outcome).contains(&state.problem), "{outcome:?}");
    vec![format!("{name}: {}", state.problem)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matrix() {
    let heads = ["provider", "answers", "wrong key", "429, Retry-After", "silent", "broken", "down → next down"];
    let (mut rows, mut told) = (vec![heads.map(str::to_owned).to_vec()], Vec::new());
    // All at once: most of the time they wait for the silent one.
    let mut asked = tokio::task::JoinSet::new();
    for provider in Provider::all().filter(|provider| provider.wire().is_ok()) {
        asked.spawn(async move { (provider, row(provider).await) });
    }
    let mut answered: BTreeMap<Provider, Vec<String>> = asked.join_all().await.into_iter().collect();
    for provider in Provider::all() {
        if provider == Provider::Builtin {
            let outcome = bench(Vars::new(), "BUILTIN").analyse(WITHIN).await;
            assert_eq!(outcome, Outcome { answer: None, usage: Usage::default(), fallback_reason: None });
            rows.push(vec!["BUILTIN".into(), cell(&outcome)]);
        } else if provider.wire().is_ok() {
            rows.extend(answered.remove(&provider));
        } else {
            told.extend(barred(provider).await);
        }
    }
    told.extend(barred(Provider::Copilot).await);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("| {} |", cells.join(" | "));
    }
    println!("{}", told.join("\n"));
}

#[tokio::test]
async fn a_budget_refuses_before_a_call_and_counts_what_was_spent() {
    let server = LlmServer::start(says(GOOD)).await;
    for (name, value) in [("CHATCLI_BUDGET_TOKENS_PER_INCIDENT", "20000"), ("CHATCLI_BUDGET_USD_PER_INCIDENT", "0.08")]
    {
        let mut vars = at(Provider::OpenAi, &server.url());
        vars.insert(name.into(), value.into());
        let bench = bench(vars, "OPENAI");
        let mut ask = Ask { issue: "web-1".into(), ..Ask::default() };
        assert_eq!(by(&bench.asked(&ask, WITHIN).await), Provider::OpenAi);
        let before = server.seen().len();
        ask.spent = Usage { input_tokens: 19_000, output_tokens: 900, cost_usd: 0.079, calls: 12 };
        let outcome = bench.asked(&ask, WITHIN).await;
        assert_eq!((by(&outcome), outcome.usage), (Provider::Builtin, Usage::default()));
        assert!(reason(&outcome).contains(name), "{outcome:?}");
        assert_eq!(server.seen().len(), before, "nothing was sent");
        assert!(bench.llm.state().ready, "a budget is no fault of the provider");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_form_is_asked_without_it() {
    let server = LlmServer::start(says(GOOD)).await;
    server.script([Answer::Error(400, "response_format is not supported".into())]);
    let outcome = bench(at(Provider::OpenAi, &server.url()), "OPENAI").analyse(WITHIN).await;
    assert_eq!(by(&outcome), Provider::OpenAi, "{outcome:?}");
    let seen = server.seen();
    assert!(seen[0].body.get("response_format").is_some() && seen[1].body.get("response_format").is_none());
}

#[tokio::test]
async fn a_model_of_ones_own_needs_no_key_and_addresses_are_taken_as_people_write_them() {
    let server = LlmServer::start(says(GOOD)).await;
    for (given, asked) in [
        ("", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/openai/v1/chat/completions", "/openai/v1/chat/completions"),
    ] {
        let vars = Vars::from([("OPENAI_API_URL".to_owned(), format!("{}{given}", server.url()))]);
        let bench = bench(vars, "openai");
        assert!(bench.llm.state().ready, "{:?}", bench.llm.state());
        bench.analyse(WITHIN).await;
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.path, asked);
        assert!(!seen.headers.contains_key("authorization"), "{seen:?}");
    }
}

#[tokio::test]
async fn other_doors_of_the_same_providers_open() {
    let server = LlmServer::start(says(GOOD)).await;
    let cases: [Case; 4] = [
        ("CLAUDEAI", "/v1/messages", &[("ANTHROPIC_OAUTH_TOKEN", KEY), ("ANTHROPIC_BASE_URL", "")]),
        ("BEDROCK", "/converse", &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("BEDROCK_BASE_URL", "")]),
        (
            "MINIMAX",
            "/v1/messages",
            &[
                ("MINIMAX_API_KEY", KEY),
                ("MINIMAX_API_COMPAT", "anthropic"),
                ("MINIMAX_API_URL", "/anthropic/v1/messages"),
            ],
        ),
        (
            "OPENAI",
            "/v1/responses",
            &[("OPENAI_API_KEY", KEY), ("OPENAI_USE_RESPONSES", "true"), ("OPENAI_RESPONSES_API_URL", "")],
        ),
    ];
    for (provider, path, pairs) in cases {
        let vars = pairs.iter().map(|(name, value)| {
            let is_url = name.ends_with("_URL");
            ((*name).to_owned(), if is_url { format!("{}{value}", server.url()) } else { (*value).to_owned() })
        });
        let outcome = bench(vars.collect::<Vars>(), provider).analyse(WITHIN).await;
        assert_eq!(by(&outcome).name(), provider, "{outcome:?}");
        assert!(server.seen().pop().unwrap().path.ends_with(path));
    }
}

#[tokio::test]
async fn what_is_configured_wrongly_is_named_with_its_remedy() {
    let told = |vars: &[(&str, &str)], provider: &str| {
        let vars: Vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let llm = bench(vars, provider).llm;
        let problems: Vec<String> = llm.problems().iter().map(ToString::to_string).collect();
        (llm.state(), problems.join("\n"))
    };
    let key = ("ANTHROPIC_API_KEY", KEY);
    for (vars, provider, word) in [
        (&[][..], "CLAUDEAI", "ANTHROPIC_API_KEY"),
        (&[("ANTHROPIC_API_KEY", "two words")][..], "CLAUDEAI", "bare key"),
        (&[][..], "CLAUDE", "\"CLAUDE\" is no provider"),
        (&[key, ("ANTHROPIC_BASE_URL", "not a url")][..], "CLAUDEAI", "ANTHROPIC_BASE_URL"),
        (&[key, ("ANTHROPIC_BASE_URL", "https://user:pw@x")][..], "CLAUDEAI", "a user or a password"),
        (&[key, ("CHATCLI_LOG_SCRUB_PATTERNS", "ok\n(bad")][..], "CLAUDEAI", "line 2"),
        (&[key, ("CHATCLI_BUDGET_USD_PER_INCIDENT", "lots")][..], "CLAUDEAI", "CHATCLI_BUDGET_USD_PER_INCIDENT"),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")][..], "BEDROCK", "AWS_ROLE_ARN"),
        (&[("CLIENT_ID", "a")][..], "STACKSPOT", "CLIENT_KEY"),
        (&[("OLLAMA_ENABLED", "false")][..], "OLLAMA", "OLLAMA_ENABLED"),
        (
            &[("AWS_BEARER_TOKEN_BEDROCK", KEY), ("CHATCLI_BEDROCK_CA_BUNDLE", "/nowhere/ca.pem")][..],
            "BEDROCK",
            "/nowhere/ca.pem cannot be read",
        ),
    ] {
        let (state, _) = told(vars, provider);
        assert!(!state.ready && state.problem.contains(word) && state.problem.contains("remedy: "), "{state:?}");
        assert!(!state.problem.contains("pw@"), "{state:?}");
    }
    let chain = ("CHATCLI_FALLBACK_PROVIDERS", "OPENAI,NOBODY,OLLAMA");
    let (state, problems) = told(
        &[key, chain, ("CHATCLI_FALLBACK_MODEL_OLLAMA", "m"), ("CHATCLI_FALLBACK_COOLDOWN_BASE", "soon")],
        "CLAUDEAI",
    );
    assert!(state.ready, "what stands behind it does not spoil the first one");
    for word in ["CHATCLI_FALLBACK_MODEL_OPENAI", "NOBODY", "CHATCLI_FALLBACK_COOLDOWN_BASE"] {
        assert!(problems.contains(word), "{problems}");
    }
    let (_, problems) = told(&[key, chain, ("CHATCLI_FALLBACK_ENABLED", "false")], "CLAUDEAI");
    assert_eq!(problems, "");
}

#[tokio::test]
async fn a_question_may_name_another_provider_and_model() {
    let (first, other) = (LlmServer::start(says(GOOD)).await, LlmServer::start(says(GOOD)).await);
    let mut vars = at(Provider::ClaudeAi, &first.url());
    vars.extend(at(Provider::OpenAi, &other.url()));
    let bench = bench(vars, "CLAUDEAI");
    let ask = |provider: &str, model: &str| Ask { provider: provider.into(), model: model.into(), ..Ask::default() };
    let outcome = bench.asked(&ask("OPENAI", "gpt-4o"), WITHIN).await;
    assert_eq!(outcome.answer.map(|(_, provider, model)| (provider, model)), Some((Provider::OpenAi, "gpt-4o".into())));
    let outcome = bench.asked(&ask("BUILTIN", ""), WITHIN).await;
    assert_eq!((outcome.answer, outcome.fallback_reason), (None, None));
    let outcome = bench.asked(&ask("", "claude-opus-4-5"), WITHIN).await;
    assert_eq!(outcome.answer.map(|(_, _, model)| model), Some("claude-opus-4-5".into()));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_ends_and_is_counted() {
    let server = LlmServer::start(Answer::Silence).await;
    let bench = bench(at(Provider::ClaudeAi, &server.url()), "CLAUDEAI");
    {
        let analysis = bench.analyse(WITHIN);
        let arrived = async {
            while server.seen().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = analysis => panic!("the server says nothing"),
            () = arrived => {}
        }
    }
    assert!(scrape(&bench.llm).contains(
        "chatcli_llm_requests_total{provider=\"CLAUDEAI\",model=\"claude-sonnet-4-6\",status=\"cancelled\"} 1"
    ));
}

fn scrape(llm: &Llm) -> String {
    let mut registry = prometheus_client::registry::Registry::with_prefix("chatcli");
    llm.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn everything_is_counted_under_the_documented_names() {
    let (first, next) = (LlmServer::start(says(GOOD)).await, LlmServer::start(says(GOOD)).await);
    let bench = bench(chained(Provider::ClaudeAi, &first.url(), &next.url()), "CLAUDEAI");
    bench.analyse(WITHIN).await;
    first.script([Answer::Error(403, "no".into())]);
    bench.analyse(WITHIN).await;
    let text = scrape(&bench.llm);
    let model = "provider=\"CLAUDEAI\",model=\"claude-sonnet-4-6\"";
    for line in [
        format!("chatcli_llm_requests_total{{{model},status=\"success\"}} 1"),
        format!("chatcli_llm_requests_total{{{model},status=\"error\"}} 1"),
        format!("chatcli_llm_request_duration_seconds_count{{{model}}} 2"),
        format!("chatcli_llm_tokens_used_total{{{model},type=\"input\"}} 1000"),
        format!("chatcli_llm_tokens_used_total{{{model},type=\"output\"}} 100"),
        format!("chatcli_llm_cost_usd_total{{{model}}} 0.0045"),
        format!("chatcli_llm_errors_total{{{model},error_type=\"auth\"}} 1"),
        "chatcli_llm_fallbacks_total{from=\"CLAUDEAI\",to=\"OLLAMA\"} 1".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\nis not in\n{text}");
    }
}

#[tokio::test]
async fn the_role_of_a_pod_is_exchanged_for_keys_once() {
    let server = LlmServer::start(says(GOOD)).await;
    let file = std::env::temp_dir().join(format!("chatcli-llm-token-{}", std::process::id()));
    std::fs::write(&file, "web-identity\n").unwrap();
    let vars = Vars::from([
        ("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), file.display().to_string()),
        ("AWS_ROLE_ARN".to_owned(), "arn:aws:iam::1:role/x".to_owned()),
        ("AWS_ENDPOINT_URL_STS".to_owned(), server.url()),
        ("BEDROCK_BASE_URL".to_owned(), server.url()),
    ]);
    let bench = bench(vars, "BEDROCK");
    let outcome = bench.analyse(WITHIN).await;
    assert_eq!(by(&outcome), Provider::Bedrock, "{outcome:?}");
    assert_eq!(server.seen()[0].headers["x-amz-security-token"], "t");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(by(&bench.analyse(WITHIN).await), Provider::Bedrock, "the keys still hold");
    bench.pass(SignedDuration::from_hours(24 * 365 * 100));
    let outcome = bench.analyse(WITHIN).await;
    assert!(reason(&outcome).contains("cannot be read") && reason(&outcome).contains("role of the pod"), "{outcome:?}");
}
