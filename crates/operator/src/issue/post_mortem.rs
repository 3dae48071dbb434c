//! The report of an Issue that is over: made once, whatever happens in between, and never again when somebody deletes it.

use std::collections::BTreeMap;

use api::post_mortem::PostMortemSpec;
use api::shared::IssueRef;
use api::{ApprovalRequest, Issue, PostMortem, RemediationPlan, keys};
use domain::incident::{ReportInput, label, post_mortem_name, report};
use kit::condition::upsert;
use kit::controller::Next;
use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::act::by_us;
use super::error::Error;
use super::{Controller, MANAGER, reported};

/// Names that are tried for a report.
const NAMES: u32 = 20;

impl Controller {
    /// The report, its text, then the note on the Issue that it is there: whoever dies in between goes on from there.
    pub(super) async fn write_report(&self, issue: &Issue) -> Result<Next, Error> {
        if reported(issue) {
            return Ok(Next::OnChange);
        }
        let made = self.post_mortem(issue).await?;
        let name = made.name_any();
        if made.status.as_ref().is_none_or(|s| s.generated_at.is_none()) {
            self.fill(issue, &made).await?;
        }
        let mut status = issue.status.clone().unwrap_or_default();
        let (generation, now) = (issue.metadata.generation, self.clock.now());
        let message = format!("PostMortem {name} tells what happened");
        upsert(&mut status.conditions, api::conditions::REPORTED, true, "PostMortemWritten", &message, generation, now);
        let api: Api<Issue> = Api::namespaced(self.client.clone(), &issue.namespace().unwrap_or_default());
        let newer = kit::status::write(&api, MANAGER, issue, &status)
            .await
            .map_err(|source| Error::WriteStatus { source })?
            .or(issue);
        self.events.normal(&newer.object_ref(&()), "PostMortemWritten", "Report", &message).await;
        Ok(Next::OnChange)
    }

    /// The report of this very Issue: found or made.
    async fn post_mortem(&self, issue: &Issue) -> Result<PostMortem, Error> {
        let api: Api<PostMortem> = Api::namespaced(self.client.clone(), &issue.namespace().unwrap_or_default());
        let uid = issue.uid().unwrap_or_default();
        let mut name = String::new();
        for round in 0..NAMES {
            name = post_mortem_name(&issue.name_any(), &uid, round);
            let what = || format!("PostMortem {name}");
            match api.create(&by_us(), &empty(issue, &name, &uid)).await {
                Ok(made) => return Ok(made),
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(source) => return Err(Error::Write { what: what(), source }),
            }
            let there = api.get_opt(&name).await.map_err(|source| Error::Read { what: what(), source })?;
            if let Some(there) = there.filter(|pm| pm.labels().get(keys::ISSUE_UID) == Some(&label(&uid))) {
                return Ok(there);
            }
        }
        Err(Error::NameTaken { what: format!("PostMortem {name}") })
    }

    async fn fill(&self, issue: &Issue, made: &PostMortem) -> Result<(), Error> {
        let namespace = issue.namespace().unwrap_or_default();
        let seen = self.observe_live(issue).await?;
        let plans: Vec<&RemediationPlan> = seen.plans.iter().map(AsRef::as_ref).collect();
        let requests = self.caches.requests.in_namespace(&namespace);
        let requests: Vec<&ApprovalRequest> = requests.iter().map(AsRef::as_ref).filter(|r| asks(r, &plans)).collect();
        let others = self.caches.reports.in_namespace(&namespace);
        let others: Vec<&PostMortem> =
            others.iter().map(AsRef::as_ref).filter(|pm| pm.metadata.uid != made.metadata.uid).collect();
        let mut status = report(&ReportInput {
            issue,
            insight: seen.insight.as_deref(),
            plans: &plans,
            requests: &requests,
            others: &others,
            now: self.clock.now(),
        });
        status.observed_generation = made.metadata.generation;
        let api: Api<PostMortem> = Api::namespaced(self.client.clone(), &namespace);
        kit::status::write(&api, MANAGER, made, &status)
            .await
            .map(drop)
            .map_err(|source| Error::Write { what: format!("the status of PostMortem {}", made.name_any()), source })
    }
}

fn asks(request: &ApprovalRequest, plans: &[&RemediationPlan]) -> bool {
    let owned = |plan: &&RemediationPlan| {
        let uid = plan.metadata.uid.as_deref().unwrap_or_default();
        request.owner_references().iter().any(|owner| owner.uid == uid)
    };
    plans.iter().any(owned)
}

fn empty(issue: &Issue, name: &str, uid: &str) -> PostMortem {
    let mut post_mortem = PostMortem::new(
        name,
        PostMortemSpec {
            issue_ref: IssueRef { name: issue.name_any() },
            resource: issue.spec.resource.clone(),
            severity: issue.spec.severity,
        },
    );
    let mut labels = BTreeMap::from([
        (keys::ISSUE.to_owned(), label(&issue.name_any())),
        (keys::ISSUE_UID.to_owned(), label(uid)),
        (keys::RESOURCE.to_owned(), label(&issue.spec.resource.name)),
    ]);
    if let Some(number) = issue.labels().get(keys::INCIDENT_ID) {
        labels.insert(keys::INCIDENT_ID.to_owned(), number.clone());
    }
    post_mortem.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: issue.namespace(),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    post_mortem
}
