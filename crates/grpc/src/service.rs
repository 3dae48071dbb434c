//! The methods of `chatcli.v1.ChatCLIService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::remediation::agentic;
use futures::Stream;
use proto::v1;
use proto::v1::chat_cli_service_server::ChatCliService;
use proto::v1::health_response::ServingStatus;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::alertmanager::Audience;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::{Analysis, Eyes, Question, WatcherStatus, convert, gate, steps};

/// Most bytes of the name of an Issue and of other names.
const MAX_NAME: usize = 1024;
/// Most bytes of a description and of the text of earlier failures.
const MAX_TEXT: usize = 50 * 1024;
/// Most bytes of the context that an older operator gathers.
const MAX_CONTEXT: usize = 1024 * 1024;

pub(crate) struct Service<E> {
    pub(crate) eyes: Arc<E>,
    pub(crate) audience: Audience,
    pub(crate) version: String,
    pub(crate) heartbeat: Duration,
    pub(crate) analyses: Semaphore,
    pub(crate) stop: CancellationToken,
    pub(crate) metrics: Metrics,
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn summary(status: &WatcherStatus, pending: Option<String>) -> String {
    let WatcherStatus { active, scope, workloads, pods, alerts } = status;
    if !active {
        return "Nothing is watched: no target was named".to_owned();
    }
    match pending {
        Some(why) => format!("The first look at {scope} is not complete: {why}"),
        None => format!("Watching {scope}: {workloads} workloads, {pods} pods, {alerts} open alerts"),
    }
}

#[tonic::async_trait]
impl<E: Eyes> ChatCliService for Service<E> {
    type WatchAlertsStream = Pin<Box<dyn Stream<Item = Result<v1::AlertEvent, Status>> + Send>>;

    async fn get_server_info(
        &self,
        _: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let status = self.eyes.status();
        let provider = self.eyes.states().borrow().provider.clone();
        Ok(Response::new(v1::GetServerInfoResponse {
            version: self.version.clone(),
            provider: provider.name,
            model: provider.model,
            available_providers: self.eyes.providers(),
            watcher_active: status.active,
            watcher_target: status.scope,
            ..v1::GetServerInfoResponse::default()
        }))
    }

    async fn get_watcher_status(
        &self,
        _: Request<v1::GetWatcherStatusRequest>,
    ) -> Result<Response<v1::GetWatcherStatusResponse>, Status> {
        let (status, pending) = (self.eyes.status(), self.eyes.pending());
        Ok(Response::new(v1::GetWatcherStatusResponse {
            active: status.active && pending.is_none(),
            deployment: format!("{} targets", status.workloads),
            status_summary: summary(&status, pending),
            alert_count: number(status.alerts),
            // Nothing is sampled: the present state is all that is kept.
            snapshot_count: 0,
            pod_count: number(status.pods),
            namespace: status.scope,
        }))
    }

    async fn health(&self, _: Request<v1::HealthRequest>) -> Result<Response<v1::HealthResponse>, Status> {
        // Whether it can serve; how far the first look is stands in the state of the stream.
        let status = if self.stop.is_cancelled() { ServingStatus::NotServing } else { ServingStatus::Serving };
        Ok(Response::new(v1::HealthResponse { status: status.into(), version: self.version.clone() }))
    }

    async fn get_alerts(
        &self,
        request: Request<v1::GetAlertsRequest>,
    ) -> Result<Response<v1::GetAlertsResponse>, Status> {
        if let Some(why) = self.eyes.pending() {
            // A list that is not complete would be read as "all else is well".
            return Err(Status::unavailable(format!("not everything was looked at yet: {why}; ask again in a moment")));
        }
        let wanted = request.into_inner();
        if wanted.namespace.is_empty() && wanted.deployment.is_empty() {
            self.audience.asked();
        }
        let matches = |filter: &str, value: &str| filter.is_empty() || filter == value;
        let alerts = self
            .eyes
            .alerts()
            .iter()
            .filter(|alert| {
                matches(&wanted.namespace, alert.workload.namespace.as_deref().unwrap_or_default())
                    && matches(&wanted.deployment, &alert.workload.name)
            })
            .map(convert::alert)
            .collect();
        Ok(Response::new(v1::GetAlertsResponse { alerts }))
    }

    async fn watch_alerts(
        &self,
        request: Request<v1::WatchAlertsRequest>,
    ) -> Result<Response<Self::WatchAlertsStream>, Status> {
        self.metrics.heard(gate::WATCH_ALERTS);
        let feed = Feed::new(
            self.eyes.clone(),
            request.into_inner().namespace,
            self.heartbeat,
            self.stop.clone(),
            (self.metrics.clone(), gate::WATCH_ALERTS),
            self.audience.clone(),
        );
        Ok(Response::new(Box::pin(feed.into_stream())))
    }

    async fn analyze_issue(
        &self,
        request: Request<v1::AnalyzeIssueRequest>,
    ) -> Result<Response<v1::AnalyzeIssueResponse>, Status> {
        let request = request.into_inner();
        check(&request)?;
        let analysis = self.analysed(convert::question(request)).await?;
        Ok(Response::new(convert::analysis(analysis)))
    }

    async fn agentic_step(
        &self,
        request: Request<v1::AgenticStepRequest>,
    ) -> Result<Response<v1::AgenticStepResponse>, Status> {
        let request = request.into_inner();
        steps::check(&request)?;
        let steps::Asked { question, progress, told } = steps::asked(request);
        // What was done is in the question: neither the rules nor a language model propose it again.
        check(&question)?;
        let mut question = convert::question(question);
        question.failed = progress.tried();
        let analysis = self.analysed(question).await?;
        let next = agentic::next(&analysis.diagnosis, &progress);
        tracing::info!(issue = told.issue, step = progress.step, "next step: {}", steps::named(&next));
        Ok(Response::new(steps::answer(next, &analysis.diagnosis, &progress, told)))
    }
}

impl<E: Eyes> Service<E> {
    /// Asks the eyes, unless they have not looked at everything yet; a few at a time.
    async fn analysed(&self, question: Question) -> Result<Analysis, Status> {
        if let Some(why) = self.eyes.first_look() {
            // "No symptom is visible" would be taken for the answer, and people would be called.
            return Err(Status::unavailable(format!("not everything was looked at yet: {why}; ask again in a moment")));
        }
        let _permit = self.analyses.acquire().await.map_err(|_| Status::unavailable("the server is stopping"))?;
        let issue = question.ask.issue.clone();
        let analysis = self.eyes.analyze(question).await;
        let diagnosis = &analysis.diagnosis;
        tracing::info!(
            issue,
            provider = analysis.provider,
            class = convert::spelled(&diagnosis.cause.class),
            confidence = diagnosis.cause.confidence,
            actions = diagnosis.actions.len(),
            "analysed: {}",
            diagnosis.cause.statement
        );
        Ok(analysis)
    }
}

/// Refuses what cannot be a question, with the field and the remedy.
fn check(request: &v1::AnalyzeIssueRequest) -> Result<(), Status> {
    for (field, value) in [
        ("issue_name", &request.issue_name),
        ("resource_kind", &request.resource_kind),
        ("resource_name", &request.resource_name),
    ] {
        if value.is_empty() {
            return Err(Status::invalid_argument(format!("{field} is empty; remedy: set it")));
        }
    }
    for (field, value, limit) in [
        ("issue_name", &request.issue_name, MAX_NAME),
        ("namespace", &request.namespace, MAX_NAME),
        ("resource_kind", &request.resource_kind, MAX_NAME),
        ("resource_name", &request.resource_name, MAX_NAME),
        ("signal_type", &request.signal_type, MAX_NAME),
        ("description", &request.description, MAX_TEXT),
        ("previous_failure_context", &request.previous_failure_context, MAX_CONTEXT),
        ("kubernetes_context", &request.kubernetes_context, MAX_CONTEXT),
    ] {
        fits(field, value.len(), limit)?;
    }
    Ok(())
}

/// Refuses what is too long.
pub(crate) fn fits(field: &str, length: usize, limit: usize) -> Result<(), Status> {
    if length <= limit {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("{field} has {length} bytes, at most {limit} are taken; remedy: shorten it")))
}
