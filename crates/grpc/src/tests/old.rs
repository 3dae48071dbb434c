//! A server as chatcli 1.188 is one: no stream, and only the fields below 50.

use std::net::SocketAddr;
use std::sync::Arc;

use proto::v1::chat_cli_service_server::{ChatCliService, ChatCliServiceServer};
use proto::v1::*;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::fake::Fake;
use crate::{Eyes, convert};

pub struct Old {
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

pub async fn start(eyes: Arc<Fake>) -> Old {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder().add_service(ChatCliServiceServer::new(Service(eyes)));
    let task = tokio::spawn(async move { router.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
    Old { address, _task: AbortOnDropHandle::new(task) }
}

struct Service(Arc<Fake>);

type Answer<T> = Result<Response<T>, Status>;

fn none<T>() -> Answer<T> {
    Err(Status::unimplemented("unknown method"))
}

#[tonic::async_trait]
impl ChatCliService for Service {
    type WatchAlertsStream = futures::stream::Empty<Result<AlertEvent, Status>>;

    async fn get_alerts(&self, _: Request<GetAlertsRequest>) -> Answer<GetAlertsResponse> {
        let old = |alert: &domain::detection::Alert| {
            let WatcherAlert { r#type, severity, message, object, namespace, deployment, timestamp_unix, .. } =
                convert::alert(alert);
            WatcherAlert {
                r#type,
                severity,
                message,
                object,
                namespace,
                deployment,
                timestamp_unix,
                ..WatcherAlert::default()
            }
        };
        Ok(Response::new(GetAlertsResponse { alerts: self.0.alerts().iter().map(old).collect() }))
    }

    async fn get_server_info(&self, _: Request<GetServerInfoRequest>) -> Answer<GetServerInfoResponse> {
        none()
    }

    async fn get_watcher_status(&self, _: Request<GetWatcherStatusRequest>) -> Answer<GetWatcherStatusResponse> {
        none()
    }

    async fn health(&self, _: Request<HealthRequest>) -> Answer<HealthResponse> {
        none()
    }

    async fn analyze_issue(&self, _: Request<AnalyzeIssueRequest>) -> Answer<AnalyzeIssueResponse> {
        none()
    }

    async fn agentic_step(&self, _: Request<AgenticStepRequest>) -> Answer<AgenticStepResponse> {
        none()
    }

    async fn watch_alerts(&self, _: Request<WatchAlertsRequest>) -> Answer<Self::WatchAlertsStream> {
        none()
    }
}
