//! Death after every single write of a whole plan, and a second life on what it left behind.

use serde_json::json;
use testkit::fake_api::crash_everywhere;

use super::scene::*;

#[tokio::test(start_paused = true)]
async fn approved_by_a_person_and_it_helps() {
    let build = || world(&rule("manual", &json!({})), &four_effects());
    let life = Life::default();
    let points = crash_everywhere(
        build,
        |fake| life.live(fake),
        |point, fake| {
            eprintln!("crash point {point}");
            helped(fake);
        },
    )
    .await;
    // The request, the plan's and the request's states, four intents, four effects, four records, counters, Events.
    assert!(points >= 25, "{points}");
}

#[tokio::test(start_paused = true)]
async fn approved_by_a_person_and_it_does_not_help() {
    let build = || world(&rule("manual", &json!({})), &four_effects());
    let life = Life { helps: false, ..Life::default() };
    let points = crash_everywhere(
        build,
        |fake| life.live(fake),
        |point, fake| {
            eprintln!("crash point {point}");
            undone(fake);
        },
    )
    .await;
    assert!(points >= 35, "{points}");
}

#[tokio::test(start_paused = true)]
async fn approved_by_policy() {
    for helps in [true, false] {
        let life = Life { people: nobody, helps, ..Life::default() };
        let end = if helps { helped } else { undone };
        let points = crash_everywhere(
            || world(&auto(), &four_effects()),
            |fake| life.live(fake),
            |point, fake| {
                eprintln!("helps: {helps}, crash point {point}");
                end(fake);
            },
        )
        .await;
        assert!(points >= 20, "{points}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_in_the_middle() {
    // The second action asks for too much, which shows only once the first one is done.
    let actions = json!([patch_config(), scale("99")]);
    let life = Life::default();
    let points = crash_everywhere(
        || world(&rule("manual", &json!({})), &actions),
        |fake| life.live(fake),
        |point, fake| {
            eprintln!("crash point {point}");
            assert_eq!(state(fake), Some(api::shared::RemediationState::RolledBack), "{}", result(fake));
            assert_eq!((effects(fake), data(fake).as_str()), (4, "bad"));
            assert_eq!(bare(fake), deployment()["spec"]);
        },
    )
    .await;
    assert!(points >= 15, "{points}");
}

#[tokio::test(start_paused = true)]
async fn killed_twice_at_any_two_writes() {
    for first in (1..30).step_by(3) {
        for second in 1..12 {
            let fake = world(&rule("manual", &json!({})), &four_effects());
            for writes in [first, second] {
                fake.kill_after_write(writes);
                Life::default().live(fake.clone()).await;
                fake.revive();
            }
            Life::default().live(fake.clone()).await;
            helped(&fake);
        }
    }
}
