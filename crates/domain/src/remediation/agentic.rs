//! One step at a time: what comes next in a plan that names no actions beforehand.
//!
//! What lives here: the choice of the next step from what is seen now and what was done. What does not: the diagnosis
//! itself, and whether an action is allowed, which the one who carries it out decides like that of any other plan.

use api::ai_insight::AIInsightSuggestedAction;

use crate::diagnosis::Diagnosis;

/// Steps where nobody named a limit.
pub const USUAL_LIMIT: i32 = 10;

/// A step that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Number, from 1.
    pub number: i32,
    /// The action; none when the step only looked.
    pub action: Option<AIInsightSuggestedAction>,
    /// What came of it, as the operator wrote it down.
    pub observation: String,
}

/// How far a plan is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What was done, oldest first.
    pub history: Vec<Done>,
    /// Number of the step that is asked for, from 1.
    pub step: i32,
    /// Most steps; 0 or less means [`USUAL_LIMIT`].
    pub limit: i32,
    /// What the insight at the beginning wanted to do first.
    pub intended: Option<AIInsightSuggestedAction>,
}

impl Progress {
    /// The actions that were done. The fault is still there, so none of them was enough.
    pub fn tried(&self) -> Vec<AIInsightSuggestedAction> {
        self.history.iter().filter_map(|done| done.action.clone()).collect()
    }

    /// What was done and what came of it, a line for each step.
    pub fn in_words(&self) -> String {
        let line = |done: &Done| {
            let what = done.action.as_ref().map_or_else(|| "looked only".to_owned(), spoken);
            format!("Step {}: {what}: {}", done.number, done.observation)
        };
        self.history.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The fault is gone.
    Resolved,
    /// This is to be done; where it is not what the insight intended, why.
    Act(AIInsightSuggestedAction, Option<String>),
    /// Nothing is to be done now, and why.
    Observe(String),
    /// Nothing more is to be done: a person must decide, and why.
    HandOver(String),
}

/// Decides the next step from what is seen now.
pub fn next(diagnosis: &Diagnosis, progress: &Progress) -> Next {
    if diagnosis.clear {
        return Next::Resolved;
    }
    let limit = if progress.limit > 0 { progress.limit } else { USUAL_LIMIT };
    if progress.step > limit {
        return Next::HandOver(format!("{limit} steps did not end the incident; a person must decide"));
    }
    if let Some(Done { number, action: Some(action), .. }) = progress.history.last() {
        return Next::Observe(format!("step {number} ({}) is given time to show its effect", action.action));
    }
    match diagnosis.actions.first() {
        Some(action) => Next::Act(action.clone(), divergence(action, diagnosis, progress)),
        None if progress.tried().is_empty() => {
            Next::HandOver("no action is known that would help; a person must decide".into())
        }
        None => Next::HandOver("every action that is known was tried; a person must decide".into()),
    }
}

fn divergence(action: &AIInsightSuggestedAction, diagnosis: &Diagnosis, progress: &Progress) -> Option<String> {
    let intended = progress.intended.as_ref()?;
    let containment = |action: &AIInsightSuggestedAction| action.params.get("containment").is_some_and(|c| c == "true");
    if intended.action == action.action && containment(intended) == containment(action) {
        return None;
    }
    let tried = progress.tried().iter().any(|done| done.action == intended.action);
    Some(if tried {
        format!("{} was done and did not end the incident", intended.action)
    } else {
        format!("what is seen now points elsewhere: {}", diagnosis.cause.statement)
    })
}

/// An action with its parameters.
fn spoken(action: &AIInsightSuggestedAction) -> String {
    let params: Vec<String> = action.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if params.is_empty() { action.action.clone() } else { format!("{} ({})", action.action, params.join(", ")) }
}

#[cfg(test)]
mod tests {
    use api::shared::ObjectRef;
    use jiff::Timestamp;

    use super::*;
    use crate::diagnosis::{cleared, unseen};

    fn object() -> ObjectRef {
        ObjectRef { kind: "Deployment".into(), name: "web".into(), ..ObjectRef::default() }
    }

    fn action(name: &str) -> AIInsightSuggestedAction {
        AIInsightSuggestedAction {
            action: name.into(),
            description: None,
            name: name.into(),
            params: [("toRevision".to_owned(), "1".to_owned())].into(),
        }
    }

    fn sick(actions: &[&str]) -> Diagnosis {
        let diagnosis = unseen(object(), "of a test", "None.", Timestamp::UNIX_EPOCH);
        Diagnosis { actions: actions.iter().map(|name| action(name)).collect(), ..diagnosis }
    }

    fn done(number: i32, name: Option<&str>) -> Done {
        Done { number, action: name.map(action), observation: "SUCCESS: done".into() }
    }

    #[test]
    fn what_is_clear_is_over_and_what_was_not_looked_at_is_not() {
        let late = Progress { step: 99, ..Progress::default() };
        assert_eq!(next(&cleared(object(), Timestamp::UNIX_EPOCH), &late), Next::Resolved);
        let blind = unseen(object(), "nothing is watched", "Watch it.", Timestamp::UNIX_EPOCH);
        assert!(matches!(next(&blind, &Progress { step: 1, ..Progress::default() }), Next::HandOver(_)));
    }

    #[test]
    fn an_action_is_given_time_before_the_next_one() {
        let mut progress = Progress { step: 1, ..Progress::default() };
        let diagnosis = sick(&["RollbackDeployment"]);
        assert_eq!(next(&diagnosis, &progress), Next::Act(action("RollbackDeployment"), None));
        progress = Progress { history: vec![done(1, Some("RollbackDeployment"))], step: 2, ..progress };
        assert!(
            matches!(next(&diagnosis, &progress), Next::Observe(why) if why.contains("step 1 (RollbackDeployment)"))
        );
        progress.history.push(done(2, None));
        progress.step = 3;
        assert!(matches!(next(&sick(&["RestartDeployment"]), &progress), Next::Act(..)));
        assert!(matches!(next(&sick(&[]), &progress), Next::HandOver(why) if why.contains("was tried")));
        assert_eq!(
            progress.in_words(),
            "Step 1: RollbackDeployment (toRevision=1): SUCCESS: done\nStep 2: looked only: SUCCESS: done"
        );
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        for (step, limit, over) in [(10, 0, false), (11, 0, true), (4, 3, true), (3, 3, false), (11, -1, true)] {
            let said = next(&sick(&["RestartDeployment"]), &Progress { step, limit, ..Progress::default() });
            assert_eq!(matches!(said, Next::HandOver(_)), over, "step {step} of {limit}: {said:?}");
        }
    }

    #[test]
    fn another_way_than_the_insights_is_said_with_its_reason() {
        let intended = Some(action("RestartDeployment"));
        let first = Progress { step: 1, intended, ..Progress::default() };
        assert!(matches!(next(&sick(&["RestartDeployment"]), &first), Next::Act(_, None)));
        let Next::Act(_, Some(why)) = next(&sick(&["RollbackDeployment"]), &first) else { panic!("not said") };
        assert!(why.contains("points elsewhere: Deployment web"), "{why}");
        let later = Progress { history: vec![done(1, Some("RestartDeployment")), done(2, None)], step: 3, ..first };
        let Next::Act(_, Some(why)) = next(&sick(&["RollbackDeployment"]), &later) else { panic!("not said") };
        assert_eq!(why, "RestartDeployment was done and did not end the incident");
    }
}
