//! What goes wrong, and the list of faults that every controller has to survive.

use std::future::Future;

use super::FakeApi;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Answer with this status; nothing is done.
    Refuse(u16),
    /// Never answer; nothing is done.
    Stall,
    /// Do it and lose the answer.
    LoseAnswer,
}

#[derive(Clone, Debug)]
struct Rule {
    verb: String,
    path_contains: String,
    what: What,
    left: usize,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    /// Writes until the server is gone for this client.
    writes_left: Option<usize>,
    /// Counts the times that the watches were cut; a watch that began before the last one ends.
    pub(super) cuts: usize,
    /// Watches end with 410 instead of a closed connection.
    pub(super) expired: bool,
}

impl Faults {
    pub(super) fn dead(&self) -> bool {
        self.writes_left == Some(0)
    }

    pub(super) fn written(&mut self) {
        if let Some(left) = &mut self.writes_left {
            *left = left.saturating_sub(1);
        }
    }

    /// The fault for a request, if there is one; it is used up by one.
    pub(super) fn take(&mut self, verb: &str, path: &str) -> Option<What> {
        let rule = self.rules.iter_mut().find(|rule| {
            rule.left > 0 && (rule.verb == "*" || rule.verb == verb) && path.contains(&rule.path_contains)
        })?;
        rule.left -= 1;
        Some(rule.what.clone())
    }
}

impl FakeApi {
    fn rule(&self, verb: &str, path_contains: &str, what: What, times: usize) {
        self.lock().faults.rules.push(Rule {
            verb: verb.to_owned(),
            path_contains: path_contains.to_owned(),
            what,
            left: times,
        });
    }

    /// Refuses the next `times` requests of a verb (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, or
    /// `*`) whose path contains a text. `usize::MAX` = until [`FakeApi::heal`].
    pub fn fail(&self, verb: &str, path_contains: &str, code: u16, times: usize) {
        self.rule(verb, path_contains, What::Refuse(code), times);
    }

    /// Never answers the next `times` such requests, and does nothing.
    pub fn stall(&self, verb: &str, path_contains: &str, times: usize) {
        self.rule(verb, path_contains, What::Stall, times);
    }

    /// Carries out the next `times` such requests and loses the answer: the client sees a broken connection.
    pub fn lose_answer(&self, verb: &str, path_contains: &str, times: usize) {
        self.rule(verb, path_contains, What::LoseAnswer, times);
    }

    /// The process under test dies after its n-th write from now: that one is answered, every later request fails.
    pub fn kill_after_write(&self, writes: usize) {
        self.lock().faults.writes_left = Some(writes);
        self.changed.notify_waiters();
    }

    /// Whether [`FakeApi::kill_after_write`] has struck.
    pub fn is_dead(&self) -> bool {
        self.lock().faults.dead()
    }

    /// The next process starts: requests are served again.
    pub fn revive(&self) {
        self.lock().faults.writes_left = None;
    }

    /// No more refusals, stalls and lost answers.
    pub fn heal(&self) {
        self.lock().faults.rules.clear();
    }

    /// Closes every watch that is open.
    pub fn cut_watches(&self) {
        self.cut(false);
    }

    /// Ends every watch that is open with 410 Gone: the client has to list again.
    pub fn expire_watches(&self) {
        self.cut(true);
    }

    fn cut(&self, expired: bool) {
        let mut state = self.lock();
        state.faults.cuts += 1;
        state.faults.expired = expired;
        drop(state);
        self.changed.notify_waiters();
    }
}

/// A fault that every controller has to survive: run it with each of [`Fault::ALL`] and look at the end state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first status write meets a newer object.
    StatusConflict,
    /// Two writes fail with 500, then it works.
    WriteFailsTwice,
    /// Two reads fail with 500, then it works.
    ReadFailsTwice,
    /// The first write is not answered in time.
    WriteStalls,
    /// The first write is carried out, but its answer is lost.
    AnswerLost,
    /// The first status write is carried out, but its answer is lost.
    StatusAnswerLost,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StatusConflict,
        Self::WriteFailsTwice,
        Self::ReadFailsTwice,
        Self::WriteStalls,
        Self::AnswerLost,
        Self::StatusAnswerLost,
    ];

    /// Makes it happen to requests whose path contains a text (empty: to any).
    pub fn inject(self, api: &FakeApi, path_contains: &str) {
        match self {
            Self::StatusConflict => api.fail("patch", "/status", 409, 1),
            Self::WriteFailsTwice => api.fail("patch", path_contains, 500, 2),
            Self::ReadFailsTwice => api.fail("get", path_contains, 500, 2),
            Self::WriteStalls => api.stall("patch", path_contains, 1),
            Self::AnswerLost => api.lose_answer("patch", path_contains, 1),
            Self::StatusAnswerLost => api.lose_answer("patch", "/status", 1),
        }
    }
}

/// Runs something once for each of its writes, dying right after that write, then runs it again on what it left behind.
///
/// `build` makes the world, `run` is one life of the process (its result does not matter), `check` sees the number of
/// the write after which it died and the end state. Returns how many crash points there were.
pub async fn crash_everywhere<Fut>(
    build: impl Fn() -> FakeApi,
    run: impl Fn(FakeApi) -> Fut,
    check: impl Fn(usize, &FakeApi),
) -> usize
where
    Fut: Future<Output = ()>,
{
    let mut point = 0;
    loop {
        point += 1;
        let api = build();
        api.kill_after_write(point);
        run(api.clone()).await;
        let died = api.is_dead();
        api.revive();
        run(api.clone()).await;
        check(point, &api);
        if !died {
            return point - 1;
        }
    }
}
