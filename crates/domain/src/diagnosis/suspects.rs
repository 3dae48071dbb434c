//! What is wrong around a workload, and whether its symptom speaks of it.

use api::shared::{CauseClass, ObjectRef, RootCause};
use jiff::Timestamp;

use super::link::Place;
use super::log::{self, Entry, Family, cut, mentions, names};
use super::{Conclusion, Evidence, propose, ruled_out};
use crate::detection::{Rule, Symptom};
use crate::graph::{Finding, Standing, same};

/// Other hypotheses that are told.
const OTHERS: usize = 4;
/// A suspect that the log speaks of.
const HEARD: f64 = 0.93;
/// A suspect of the kind that the log tells of, without a name.
const FITTING: f64 = 0.75;
/// The only thing that is wrong around a workload whose log says nothing.
const ALONE: f64 = 0.6;

/// A suspect, and how sure it is that it explains the symptom.
#[derive(Clone, Copy)]
pub(super) struct Suspicion<'a> {
    pub(super) finding: &'a Finding,
    sure: f64,
}

/// Words that are in many lines, whatever those are about.
const COMMON: [&str; 22] = [
    "http",
    "https",
    "tcp",
    "udp",
    "grpc",
    "dns",
    "port",
    "host",
    "name",
    "error",
    "key",
    "data",
    "config",
    "metrics",
    "default",
    "true",
    "false",
    "localhost",
    "latest",
    "main",
    "server",
    "service",
];

/// How strongly an entry or a message speaks of a suspect: 3 for each name, 1 for a number.
/// A process says its own name in many lines.
fn score(finding: &Finding, entry: Option<&Entry>, messages: &[&str], own: &[&str]) -> u32 {
    let told = entry.and_then(|entry| entry.told.as_ref());
    let host = told.and_then(|told| told.host.as_deref());
    let family = told.and_then(|told| told.family);
    let port = told.and_then(|told| told.port).map(|port| port.to_string());
    let account = told.and_then(|told| told.access.as_ref()).map(|access| access.account.as_str());
    let said = |word: &str| {
        entry.is_some_and(|entry| names(&entry.text, word) || names(&entry.around, word))
            || messages.iter().any(|message| names(message, word))
    };
    let one = |word: &String| {
        if word.chars().all(|c| c.is_ascii_digit()) {
            return u32::from(port.as_ref() == Some(word) || messages.iter().any(|m| mentions(m, word)));
        }
        if COMMON.contains(&word.as_str()) || own.contains(&word.as_str()) {
            return u32::from(host == Some(word.as_str()));
        }
        // A Service has its short name and longer ones: `db`, `db.shop`, `db.shop.svc.cluster.local`.
        let called = host.is_some_and(|host| host == word || host.split('.').next() == word.split('.').next());
        // A connection to a host that is named is about that host, whatever else the line says.
        let elsewhere = host.is_some_and(|host| !is_address(host)) && family.is_some_and(Family::is_connection);
        3 * u32::from(called || account == Some(word.as_str()) || (!elsewhere && said(word)))
    };
    let mut words: Vec<&String> = finding.words.iter().collect();
    words.sort();
    words.dedup();
    words.into_iter().map(one).sum()
}

/// Whether a fault of a class makes a process say such a thing.
fn fits(family: Family, class: CauseClass) -> bool {
    use CauseClass as Class;
    match family {
        // What enforces policies drops packets or refuses them.
        Family::Refused | Family::Timeout => matches!(
            class,
            Class::NetworkDenied | Class::DependencyUnavailable | Class::ServiceMisconfigured | Class::ScaledToZero
        ),
        Family::Dns => matches!(
            class,
            Class::DependencyUnavailable | Class::ServiceMisconfigured | Class::NetworkDenied | Class::BadConfiguration
        ),
        // TLS fails too where the other side speaks without.
        Family::Tls => matches!(class, Class::CertificateInvalid | Class::DependencyUnavailable),
        Family::UnknownAuthority | Family::CertificateExpired | Family::CertificateName => {
            class == Class::CertificateInvalid
        }
        Family::Forbidden => class == Class::PermissionDenied,
        Family::Unauthorized => matches!(class, Class::PermissionDenied | Class::MissingReference),
        Family::VariableMissing | Family::FileMissing | Family::SettingMissing | Family::Invalid => {
            matches!(class, Class::MissingReference | Class::BadConfiguration)
        }
        _ => false,
    }
}

/// Whether the platform's own words about a symptom name what is at fault.
pub(super) fn spoken(finding: &Finding, symptom: &Symptom, workload: &ObjectRef) -> bool {
    let own = [workload.name.as_str(), symptom.root.name.as_str(), symptom.container.as_deref().unwrap_or_default()];
    let seen = symptom.evidence.iter().map(|seen| seen.detail.as_str());
    let messages: Vec<&str> = seen.chain([symptom.value.as_str()]).collect();
    score(finding, None, &messages, &own) >= 3
}

/// When the change at fault was made; none where a finding is not about a change.
pub(super) fn turned(finding: &Finding) -> Option<Timestamp> {
    let cause = &finding.cause;
    let of_cause = cause.proof.iter().filter(|proof| proof.path == cause.path && same(&proof.object, &cause.object));
    of_cause.filter_map(|proof| proof.time.as_ref()).map(|time| time.0).max()
}

/// Whether texts say that connections are refused, or that a name or an answer does not come.
fn family_of(messages: &[&str]) -> Option<Family> {
    messages.iter().find_map(|message| log::told(message)?.family)
}

/// What the command of a probe asks for, where that is known to be wrong: whatever the probe got, it could not get more.
/// `command` is as the shell of the container reads it, `late` whether the kubelet waited in vain for its end.
pub(super) fn asked<'a>(evidence: &'a Evidence, command: &str, message: &str, late: bool) -> Option<Suspicion<'a>> {
    let family = family_of(&[message]);
    // A command that says nothing may have failed over anything; one that says another thing has.
    let lost = late || family.is_some_and(|family| matches!(family, Family::Refused | Family::Timeout | Family::Dns));
    let own = [evidence.view.workload.name.as_str(), evidence.culprit().name.as_str(), evidence.container()];
    let speaks = |finding: &&Finding| {
        let class = finding.cause.class;
        lost && possible(class)
            && (fits(Family::Refused, class) || family.is_some_and(|family| fits(family, class)))
            && (turned(finding).is_none() || family == Some(Family::Refused))
            && score(finding, None, &[command], &own) >= 3
            && on_port(finding, command)
    };
    let found = evidence.suspects.iter().filter(speaks);
    let finding = found.max_by_key(|finding| finding.standing)?;
    Some(Suspicion { finding, sure: finding.cause.confidence.max(HEARD - 0.03) })
}

/// Whether a command asks a host on a port that a finding is about, where the finding says ports.
fn on_port(finding: &Finding, command: &str) -> bool {
    let port = |word: &String| word.rsplit_once(':').map(|(_, port)| port.to_owned());
    let numbers = |port: &String| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let ports: Vec<String> = finding.words.iter().filter_map(port).filter(numbers).collect();
    let says = |port: &String| mentions(command, port) || (port.len() < 3 && digits(command, port));
    // The usual port of a protocol stands nowhere.
    ports.is_empty()
        || ports.iter().any(says)
        || (command.contains("://") && ports.iter().any(|p| p == "80" || p == "443"))
}

/// Whether a number stands alone in a text.
fn digits(text: &str, number: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == number)
}

/// The suspect that the log or the message speaks of.
pub(super) fn told<'a>(evidence: &'a Evidence, entry: Option<&Entry>, messages: &[&str]) -> Option<Suspicion<'a>> {
    let family = entry.and_then(Entry::family).or_else(|| family_of(messages));
    // Where a server moved away from its port, connections are refused, and nothing else.
    let shows = |finding: &Finding| turned(finding).is_none() || family == Some(Family::Refused);
    let suspects = evidence.suspects.iter().filter(|finding| possible(finding.cause.class) && shows(finding));
    let own = [evidence.view.workload.name.as_str(), evidence.culprit().name.as_str(), evidence.container()];
    let scored = suspects.map(|finding| (score(finding, entry, messages, &own), finding));
    let (most, finding) = scored.max_by_key(|(score, finding)| (*score, finding.standing))?;
    if most >= 3 {
        return Some(Suspicion { finding, sure: finding.cause.confidence.max(HEARD) });
    }
    // A port alone is said by many lines; it counts in one about a connection that can fail over such a fault.
    let family = entry.and_then(Entry::family).filter(|family| fits(*family, finding.cause.class));
    (most >= 1 && family.is_some()).then_some(Suspicion { finding, sure: FITTING.max(finding.cause.confidence - 0.1) })
}

/// The only strong suspect, where nothing speaks of one: of the kind that the log tells of, or of any kind where the log
/// tells of none.
pub(super) fn alone<'a>(evidence: &'a Evidence, entry: Option<&Entry>) -> Option<Suspicion<'a>> {
    let family = entry.and_then(Entry::family);
    // A log that names another host or file speaks of something else.
    let elsewhere = entry
        .and_then(|entry| entry.told.as_ref())
        .is_some_and(|told| told.host.as_ref().is_some_and(|host| !is_address(host)) || told.path.is_some());
    // So does one with a trace of the program's own that tells of no kind of trouble from outside.
    let own_fault = family.is_none() && entry.is_some_and(|entry| entry.frame.is_some());
    if elsewhere || own_fault {
        return None;
    }
    let strong = |finding: &&Finding| {
        finding.standing > Standing::Suspect
            && family.is_none_or(|family| fits(family, finding.cause.class))
            && plausible(evidence, finding)
    };
    let mut found: Vec<&Finding> = evidence.suspects.iter().filter(strong).collect();
    // What is broken now explains more than what will be.
    if found.iter().any(|finding| finding.standing == Standing::Outage) {
        found.retain(|finding| finding.standing == Standing::Outage);
    }
    let [finding] = found.as_slice() else { return None };
    let sure = if family.is_some() { FITTING } else { ALONE };
    Some(Suspicion { finding, sure: sure.min(finding.cause.confidence) })
}

/// Whether a fault of a class can show in a process. A broken way to a workload breaks nothing in it.
pub(super) fn possible(class: CauseClass) -> bool {
    use CauseClass as Class;
    !matches!(
        class,
        Class::RouteMisconfigured
            | Class::AutoscalerMisconfigured
            | Class::DeletionBlocked
            | Class::JobMisconfigured
            | Class::DeliveryFailed
    )
}

/// Whether a fault of a class can make this symptom at all: a Service matters only to a process that is told its name.
fn plausible(evidence: &Evidence, finding: &Finding) -> bool {
    use CauseClass as Class;
    let stuck = evidence.symptom.rule == Rule::RolloutStuck;
    match finding.cause.class {
        class if !possible(class) => false,
        Class::AdmissionRefused | Class::WebhookUnavailable | Class::DisruptionBlocked => stuck,
        Class::ServiceMisconfigured
        | Class::ScaledToZero
        | Class::DependencyUnavailable
        | Class::NetworkDenied
        | Class::CertificateInvalid => {
            !stuck && (same(&finding.cause.object, evidence.culprit()) || needs(evidence, finding))
        }
        _ => true,
    }
}

/// Whether the container is given a word of the finding: the name of a Service, a host, a variable.
fn needs(evidence: &Evidence, finding: &Finding) -> bool {
    let Some(place) = Place::of(evidence) else { return false };
    let settings = place.settings();
    let own = [evidence.view.workload.name.as_str(), evidence.culprit().name.as_str()];
    let telling = |word: &&String| {
        let word = word.as_str();
        !COMMON.contains(&word) && !own.contains(&word) && word.chars().any(char::is_alphabetic)
    };
    finding.words.iter().filter(telling).any(|word| {
        settings.iter().any(|setting| {
            let value = setting.value.trim();
            let given = setting.path.contains(&format!("[{word}]"));
            given || value == word || names(value, word) || value.split(['/', ':', '@', '.']).any(|part| part == word)
        })
    })
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

/// The conclusion that a suspect is the cause. `how` says what the symptom is.
pub(super) fn conclude(evidence: &Evidence, suspicion: Suspicion<'_>, entry: Option<&Entry>, how: &str) -> Conclusion {
    let finding = suspicion.finding;
    let said = finding.cause.statement.trim().trim_end_matches('.');
    let statement = match entry {
        Some(entry) => format!("{said}, so that {} ({})", within(how), entry.short()),
        None => format!("{said}, so that {}", within(how)),
    };
    // A question at the end of the finding ends the sentence.
    let statement = match said.strip_suffix('?') {
        Some(_) => format!("{how}{}: {said}", entry.map(|entry| format!(" ({})", entry.short())).unwrap_or_default()),
        None => statement,
    };
    let mut proof = evidence.seen();
    proof.extend(entry.and_then(|entry| evidence.log_proof(entry)));
    proof.extend(finding.cause.proof.iter().cloned());
    let cause =
        RootCause { statement: capital(&statement), confidence: suspicion.sure, proof, ..finding.cause.clone() };
    let mut candidates = finding.candidates.clone();
    if evidence.introduced() && finding.cause.object.name == evidence.culprit().name {
        candidates.extend(propose::rollback(evidence, "brought this"));
    }
    let mut conclusion =
        Conclusion { cause, candidates, recommendations: finding.recommendations.clone(), log_lines: Vec::new() };
    rule_out(evidence, Some(finding), entry, &mut conclusion);
    conclusion
}

/// Tells which suspects were considered and why they are not the cause.
pub(super) fn rule_out(
    evidence: &Evidence,
    chosen: Option<&Finding>,
    entry: Option<&Entry>,
    conclusion: &mut Conclusion,
) {
    let others = evidence.suspects.iter().filter(|finding| chosen.is_none_or(|chosen| !std::ptr::eq(chosen, *finding)));
    for finding in others.take(OTHERS) {
        let because = match entry {
            Some(entry) if entry.told.is_some() => "the log tells of something else",
            Some(_) => "the log does not speak of it",
            None if finding.standing == Standing::Outage => "it is broken too, and nothing ties it to this symptom",
            None => "nothing ties it to this symptom",
        };
        conclusion.cause.ruled_out.push(ruled_out(&cut(&finding.cause.statement, 160), because));
    }
}

/// The beginning of a sentence, within one.
fn within(how: &str) -> String {
    let mut chars = how.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A sentence with a capital at its beginning, unless that is a name in small letters.
fn capital(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let word = !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase());
    let mut chars = text.chars();
    match chars.next() {
        Some(c) if word => c.to_ascii_uppercase().to_string() + chars.as_str(),
        _ => text.to_owned(),
    }
}
