//! The alerts of a server for as long as the process lives: the stream where there is one, else questions at intervals.

use std::time::Duration;

use jiff::Timestamp;
use proto::v1;
use proto::v1::alert_event::Kind;
use tokio::sync::mpsc::Sender;

use super::{LinkError, LinkEvent, ServerLink, convert};

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LAST_DELAY: Duration = Duration::from_secs(30);

/// The receiver is gone: the process stops.
struct Closed;

impl ServerLink {
    /// Tells everything to `sender` until its receiver is gone. `now` is asked for the time of alerts that bring none.
    pub async fn run(&self, sender: Sender<LinkEvent>, now: impl Fn() -> Timestamp + Send) {
        let mut delay = FIRST_DELAY;
        let mut why = String::new();
        loop {
            let mut useful = false;
            let ended = match self.stream(&sender, &now, &mut useful).await {
                Ok(why) => why,
                Err(Closed) => return,
            };
            let ended = match ended {
                LinkError::NotThere { .. } => match self.poll(&sender, &now, &mut useful).await {
                    Ok(why) => why,
                    Err(Closed) => return,
                },
                other => other,
            };
            if useful {
                delay = FIRST_DELAY;
            }
            // Whatever is left of the connection may be a black hole.
            self.hang_up();
            let wait = delay.mul_f64(rand::random_range(0.6..1.0));
            // The same trouble is told once, whatever the time is that it has in its text.
            if useful || without_digits(&ended.brief()) != without_digits(&why) {
                why = ended.brief();
                tracing::warn!(server = self.name(), retry_in_ms = wait.as_millis(), "the link is down: {ended}");
            } else {
                tracing::debug!(
                    server = self.name(),
                    retry_in_ms = wait.as_millis(),
                    "the link is still down: {ended}"
                );
            }
            let why = why.clone();
            if sender.send(LinkEvent::Disconnected { why }).await.is_err() {
                return;
            }
            tokio::time::sleep(wait).await;
            delay = (delay * 2).min(LAST_DELAY);
        }
    }

    /// Follows the stream; returns why it ended.
    async fn stream(
        &self,
        sender: &Sender<LinkEvent>,
        now: &impl Fn() -> Timestamp,
        useful: &mut bool,
    ) -> Result<LinkError, Closed> {
        let request = match self.request(v1::WatchAlertsRequest::default()).await {
            Ok(request) => request,
            Err(error) => return Ok(error),
        };
        let heartbeat = self.settings.heartbeat;
        let mut client = self.client();
        let mut stream = match tokio::time::timeout(heartbeat, client.watch_alerts(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Ok(self.refused("WatchAlerts", &status)),
            Err(_) => return Ok(self.too_late("WatchAlerts", heartbeat)),
        };
        tell(sender, LinkEvent::Begin).await?;
        let mut standby = false;
        loop {
            let event = match tokio::time::timeout(heartbeat, stream.message()).await {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => {
                    return Ok(LinkError::Unavailable {
                        address: self.settings.address.clone(),
                        call: "WatchAlerts",
                        why: "the server closed the stream".to_owned(),
                    });
                }
                Ok(Err(status)) => return Ok(self.refused("WatchAlerts", &status)),
                Err(_) => return Ok(self.too_late("WatchAlerts", heartbeat)),
            };
            match event.kind() {
                Kind::Alert => self.alert(sender, event.alert, now()).await?,
                Kind::Synced => {
                    *useful = true;
                    tracing::info!(server = self.name(), "connected; every alert that fires is known");
                    tell(sender, LinkEvent::Synced).await?;
                }
                Kind::State => {
                    let Some(state) = event.state.map(convert::state) else { continue };
                    // From here on it tells everything that fires, as if the stream had just begun.
                    let begins = standby && !state.standby;
                    standby = state.standby;
                    if standby && !*useful {
                        *useful = true;
                        tracing::info!(server = self.name(), "connected; another replica raises the alerts");
                    }
                    tell(sender, LinkEvent::State(state)).await?;
                    if begins {
                        tell(sender, LinkEvent::Begin).await?;
                    }
                }
                Kind::Heartbeat | Kind::Unspecified => {}
            }
        }
    }

    /// Asks at intervals; returns why that ended.
    async fn poll(
        &self,
        sender: &Sender<LinkEvent>,
        now: &impl Fn() -> Timestamp,
        useful: &mut bool,
    ) -> Result<LinkError, Closed> {
        tracing::info!(
            server = self.name(),
            every_s = self.settings.poll.as_secs(),
            "the server has no alert stream; it is asked at intervals"
        );
        loop {
            let alerts = match self.alerts().await {
                Ok(alerts) => alerts,
                Err(error) => return Ok(error),
            };
            tell(sender, LinkEvent::Begin).await?;
            for alert in alerts {
                self.alert(sender, Some(alert), now()).await?;
            }
            tell(sender, LinkEvent::Synced).await?;
            *useful = true;
            tokio::time::sleep(self.settings.poll).await;
        }
    }

    async fn alert(
        &self,
        sender: &Sender<LinkEvent>,
        alert: Option<v1::WatcherAlert>,
        now: Timestamp,
    ) -> Result<(), Closed> {
        let Some(alert) = alert else { return Ok(()) };
        let type_ = alert.r#type.clone();
        match convert::alert(alert, now) {
            Ok(alert) => tell(sender, LinkEvent::Alert(Box::new(alert))).await,
            Err(why) => {
                tracing::warn!(server = self.name(), type_, why, "an alert is left out");
                Ok(())
            }
        }
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

async fn tell(sender: &Sender<LinkEvent>, event: LinkEvent) -> Result<(), Closed> {
    sender.send(event).await.map_err(|_| Closed)
}
