//! Figures, their targets, and how they were measured.

use serde::Serialize;

/// One measured figure.
#[derive(Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The result, with its unit.
    pub value: String,
    /// What it must reach.
    pub target: String,
    /// Whether it does.
    pub reached: bool,
    /// What the existing Go implementation reached on such a cluster.
    pub go: String,
    /// How it was measured.
    pub how: String,
}

/// All figures of one run.
#[derive(Serialize)]
pub struct Report {
    machine: String,
    figures: Vec<Figure>,
}

impl Report {
    /// An empty report for this machine.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
            .map_or(0, |kib| kib / 1024 / 1024);
        Self {
            machine: format!("{cores} cores, {memory} GiB, everything (API server and load too) on this machine"),
            figures: Vec::new(),
        }
    }

    /// Adds a figure and prints it at once, because a run takes minutes.
    pub fn add(&mut self, figure: Figure) {
        println!(
            "{:<48} {:>22}  target {:<18} {}",
            figure.name,
            figure.value,
            figure.target,
            if figure.reached { "reached" } else { "NOT reached" }
        );
        self.figures.push(figure);
    }

    /// The table for the README.
    pub fn print(&self) {
        println!("\nmachine: {}\n", self.machine);
        println!("| figure | measured | must reach | Go implementation | how |");
        println!("|---|---|---|---|---|");
        for f in &self.figures {
            let mark = if f.reached { "" } else { " (not reached)" };
            println!("| {} | {}{mark} | {} | {} | {} |", f.name, f.value, f.target, f.go, f.how);
        }
    }

    /// The figures as JSON.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}

/// The p-th percentile (nearest rank) of a sorted list, in milliseconds.
pub fn percentile(sorted: &[f64], p: f64) -> f64 {
    let rank = ((p / 100.0 * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentile_is_the_nearest_rank() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&sorted, 50.0) - 100.0).abs() < f64::EPSILON);
        assert!((percentile(&sorted, 99.0) - 198.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 50.0).is_nan());
    }
}
