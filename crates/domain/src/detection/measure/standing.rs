//! How a value stands to its threshold, over time.

use jiff::{SignedDuration, Timestamp};

use crate::detection::Symptom;

/// After so long without a value what was open is over: nothing tells any more that it goes on.
const SILENT: SignedDuration = SignedDuration::from_mins(10);

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// At or above what opens.
    Over,
    /// Below what opens, and above what closes.
    Between,
    /// Below what closes.
    Under,
    /// Not known.
    Unknown,
}

impl Level {
    /// Where a share is, given what opens and what closes.
    pub fn of(share: f64, opens: f64, closes: f64) -> Self {
        if share >= opens {
            Self::Over
        } else if share >= closes {
            Self::Between
        } else if share.is_nan() {
            Self::Unknown
        } else {
            Self::Under
        }
    }
}

/// Whether something is a symptom: it opens after it held for a while, and closes after it was well for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    since: Option<Timestamp>,
    well: Option<Timestamp>,
    known: Option<Timestamp>,
    /// What was told last; none while it is not open.
    told: Option<Box<Symptom>>,
}

impl Standing {
    /// Takes the next value; it began at `since` as far as is known. Returns the symptom that is there: `make` puts it in
    /// words, given since when.
    pub fn turn(
        &mut self,
        level: Level,
        (since, now): (Timestamp, Timestamp),
        (hold, clear): (SignedDuration, SignedDuration),
        make: impl FnOnce(Timestamp) -> Symptom,
    ) -> Option<Symptom> {
        if level != Level::Unknown {
            self.known = Some(now);
        }
        let open = self.told.is_some();
        match level {
            Level::Over => {
                self.well = None;
                let first = *self.since.get_or_insert(since.min(now));
                if open || now.duration_since(first) >= hold {
                    self.told = Some(Box::new(make(first)));
                }
            }
            Level::Between if open => {
                self.well = None;
                self.told = self.since.map(|since| Box::new(make(since)));
            }
            Level::Under if open => {
                let well = *self.well.get_or_insert(now);
                if now.duration_since(well) >= clear {
                    *self = Self::default();
                }
            }
            Level::Unknown if self.known.is_some_and(|known| now.duration_since(known) <= SILENT) => {}
            _ => *self = Self::default(),
        }
        self.told.as_deref().cloned()
    }

    /// Whether nothing is known or open that must be kept.
    pub fn is_idle(&self) -> bool {
        self.since.is_none()
    }
}
