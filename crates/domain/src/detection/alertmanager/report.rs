//! What became of the alerts of a message.

/// Most reasons that are told one by one.
const REASONS: usize = 5;

/// What became of the alerts of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Not known before.
    pub new: usize,
    /// Known, and still there.
    pub again: usize,
    /// Over.
    pub over: usize,
    /// Sent before what is known already; nothing follows from them.
    pub late: usize,
    /// No incident by their own word.
    pub ignored: usize,
    /// About something that is not watched here.
    pub outside: usize,
    /// More than can be kept: they must be sent again.
    pub full: usize,
    /// Could not be read.
    pub refused: usize,
    /// Left out by Alertmanager itself.
    pub truncated: u64,
    /// Why, of some of those that nothing follows from.
    pub reasons: Vec<String>,
    /// Identities of those that whoever listens is told.
    pub told: Vec<String>,
}

impl Report {
    /// Adds a reason, if it is not one too many or told already.
    pub fn because(&mut self, why: impl Into<String>) {
        let why = why.into();
        if self.reasons.len() < REASONS && !self.reasons.contains(&why) {
            self.reasons.push(why);
        }
    }

    /// Takes another part of the same message in.
    pub fn add(&mut self, other: Self) {
        let Self { new, again, over, late, ignored, outside, full, refused, truncated, reasons, told } = other;
        for (mine, more) in [
            (&mut self.new, new),
            (&mut self.again, again),
            (&mut self.over, over),
            (&mut self.late, late),
            (&mut self.ignored, ignored),
            (&mut self.outside, outside),
            (&mut self.full, full),
            (&mut self.refused, refused),
        ] {
            *mine = mine.saturating_add(more);
        }
        self.truncated = self.truncated.saturating_add(truncated);
        for why in reasons {
            self.because(why);
        }
        self.told.extend(told);
    }

    /// The counts, each under its name.
    pub fn counts(&self) -> [(&'static str, u64); 9] {
        let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        [
            ("new", whole(self.new)),
            ("again", whole(self.again)),
            ("over", whole(self.over)),
            ("late", whole(self.late)),
            ("ignored", whole(self.ignored)),
            ("outside", whole(self.outside)),
            ("full", whole(self.full)),
            ("refused", whole(self.refused)),
            ("truncated", self.truncated),
        ]
    }
}
