use super::*;

fn crashing(second: i64) -> WorkloadView {
    let made =
        pod("p", "r2").ended(second - 1, second, 1, "Error").last(second - 3, second - 2, 1, "Error").restarts(3);
    view([pod("old", "r1"), made])
}

fn bad_image() -> WorkloadView {
    view([pod("old", "r1"), pod("p", "r2").waiting("ErrImagePull", "not found")])
}

fn well() -> WorkloadView {
    view([pod("p", "r2"), pod("q", "r2")])
}

/// What the book says about a view at a second, as words and ids.
fn look(book: &mut AlertBook, view: &WorkloadView, second: i64) -> Vec<(&'static str, String)> {
    let (changes, _) = book.update(&view.workload, &evaluate(view, at(second)), at(second));
    let word = |t: &Transition| match t {
        Transition::Firing(_) => "firing",
        Transition::Changed(_) => "changed",
        Transition::Resolved(_) => "resolved",
    };
    changes.iter().map(|t| (word(t), t.alert().id.clone())).collect()
}

#[test]
fn the_same_fault_keeps_its_identity_over_a_restart() {
    let first = look(&mut AlertBook::default(), &bad_image(), 5);
    let second = look(&mut AlertBook::default(), &bad_image(), 500);
    assert_eq!(first[0].0, "firing");
    assert_eq!(first, second);
    let id = &first[0].1;
    assert!(id.len() == 20 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    // Another object, another fault.
    let mut other = bad_image();
    other.workload.name = "api".into();
    assert_ne!(look(&mut AlertBook::default(), &other, 5), first);
    assert_ne!(look(&mut AlertBook::default(), &crashing(5), 6), first);
}

#[test]
fn a_fault_resolves_when_the_workload_has_been_well_for_a_while() {
    let mut book = AlertBook::default();
    let id = look(&mut book, &bad_image(), 5)[0].1.clone();
    assert_eq!(look(&mut book, &bad_image(), 6), []);
    // Gone, but the workload is not yet as it should be.
    let between = view([pod("old", "r1"), pod("p", "r2").waiting("ContainerCreating", "")]);
    assert_eq!(look(&mut book, &between, 20), []);
    assert_eq!(look(&mut book, &between, 120), []);
    let (none, next) = book.update(&well().workload, &evaluate(&well(), at(130)), at(130));
    assert_eq!((none, next), (vec![], Some(at(135))));
    assert_eq!(look(&mut book, &well(), 134), []);
    // Back before its time: nothing happened.
    assert_eq!(look(&mut book, &bad_image(), 134), []);
    assert_eq!(look(&mut book, &well(), 136), []);
    assert_eq!(look(&mut book, &well(), 140), []);
    assert_eq!(look(&mut book, &well(), 141), [("resolved", id)]);
    assert!(book.is_empty());
}

#[test]
fn a_container_that_runs_between_crashes_does_not_flap() {
    let mut book = AlertBook::default();
    let mut said = Vec::new();
    // Ten runs of five seconds, each after a back-off that doubles, looked at every second.
    let (mut start, mut wait) = (0, 10);
    let mut before: Option<(i64, i64)> = None;
    for restart in 0..10 {
        let end = start + 5;
        for second in start..end + wait {
            let p = pod("p", "r2").restarts(restart);
            let p = match before {
                Some((from, to)) => p.last(from, to, 1, "Error"),
                None => p,
            };
            let p =
                if second < end { p.running_since(start).ready_since(start) } else { p.ended(start, end, 1, "Error") };
            said.extend(
                look(&mut book, &WorkloadView { desired: 1, ..view([p]) }, second).into_iter().map(|(word, _)| word),
            );
        }
        before = Some((start, end));
        start = end + wait;
        wait = (wait * 2).min(300);
    }
    assert_eq!(said.iter().filter(|w| **w == "firing").count(), 1, "{said:?}");
    assert!(!said.contains(&"resolved"), "{said:?}");
    assert_eq!(book.open().next().unwrap().count, 10);
}

#[test]
fn a_less_specific_word_changes_nothing_and_a_more_specific_one_does() {
    let mut book = AlertBook::default();
    let unready = view([pod("old", "r1"), pod("p", "r2").not_ready_since(0).running_since(1)]);
    let id = look(&mut book, &unready, 40)[0].1.clone();
    assert_eq!(look(&mut book, &crashing(50), 51), [("changed", id.clone())]);
    assert_eq!(book.open().next().unwrap().rule, Rule::CrashLoop);
    assert_eq!(look(&mut book, &unready, 60), []);
    let alert = book.open().next().unwrap();
    assert_eq!((alert.rule, alert.last_seen), (Rule::CrashLoop, at(60)));
    assert_eq!(alert.signal, SignalType::PodNotReady, "the signal of the opening stays");
}

#[test]
fn counts_only_grow_and_a_smaller_one_is_no_news() {
    let mut book = AlertBook::default();
    look(&mut book, &crashing(5), 6);
    assert_eq!(book.open().next().unwrap().count, 4);
    let replaced = view([pod("old", "r1"), pod("q", "r2").ended(9, 10, 1, "Error").last(7, 8, 1, "Error").restarts(1)]);
    for second in 11..15 {
        assert_eq!(look(&mut book, &replaced, second), []);
    }
    assert_eq!(book.open().next().unwrap().count, 4);
}

#[test]
fn another_fault_takes_the_place_of_one_that_is_gone() {
    let mut book = AlertBook::default();
    let image = look(&mut book, &bad_image(), 5)[0].1.clone();
    // The image is mended by a third revision, which crashes.
    let mut next = crashing(50);
    next.current = Some("r3".into());
    next.pods[1].revision = "r3".into();
    let said = look(&mut book, &next, 51);
    assert_eq!(said[0].0, "firing");
    assert_eq!(look(&mut book, &next, 55), []);
    assert_eq!(look(&mut book, &next, 56), [("resolved", image)]);
    assert_eq!(book.len(), 1);
    // The same error under the next revision is the same alert.
    let mut book = AlertBook::default();
    look(&mut book, &bad_image(), 5);
    let mut again = bad_image();
    again.current = Some("r3".into());
    again.pods[1].revision = "r3".into();
    assert_eq!(look(&mut book, &again, 60), []);
}

#[test]
fn a_workload_that_was_made_again_is_another_one() {
    let mut book = AlertBook::default();
    let old = look(&mut book, &bad_image(), 5)[0].1.clone();
    let mut again = bad_image();
    again.workload.uid = Some("uid-web-2".into());
    let said = look(&mut book, &again, 6);
    assert_eq!(said.iter().map(|(word, _)| *word).collect::<Vec<_>>(), ["resolved", "firing"]);
    assert_eq!(said[0].1, old);
    assert_ne!(said[1].1, old);
    let gone = book.forget(&again.workload, at(7));
    assert!(matches!(&gone[..], [Transition::Resolved(a)] if a.resolved_at == Some(at(7))));
    assert!(book.is_empty() && book.forget(&again.workload, at(8)).is_empty());
}
