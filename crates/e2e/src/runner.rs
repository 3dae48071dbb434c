//! Cases in stages. A stage has lanes: they run side by side, the cases of one lane one after the other. The stages follow
//! each other. What is printed is what cargo's own harness prints, so that whoever counts tests counts these too.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// What no case may take. The slowest takes a quarter of it on two busy cores.
const CASE: Duration = Duration::from_mins(8);

/// A test.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    run: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>,
}

/// Makes a case of an async function; what it needs is cloned into it.
pub fn case<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    run: impl FnOnce() -> F + Send + 'static,
) -> Case {
    Case { name, run: Box::new(move || Box::pin(run())) }
}

/// Cases that run one after the other.
pub type Lane = Vec<Case>;

/// What came of a run so far.
pub struct Run {
    began: Instant,
    filter: Vec<String>,
    passed: usize,
    failed: Vec<&'static str>,
    filtered: usize,
}

impl Run {
    /// Reads the filter from the command line.
    pub fn from_args() -> Self {
        // Flags are for cargo's own harness; scripts pass them to all test binaries alike.
        let filter = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        Self { began: Instant::now(), filter, passed: 0, failed: Vec::new(), filtered: 0 }
    }

    /// Whether a case of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| name.contains(part))
    }

    /// Whether a stage has anything to do.
    pub fn wants_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// Runs a stage; whether all of it passed.
    pub async fn stage(&mut self, lanes: Vec<Lane>) -> bool {
        let mut running = Vec::new();
        for lane in lanes {
            let (wanted, other): (Vec<Case>, Vec<Case>) = lane.into_iter().partition(|case| self.wants(case.name));
            self.filtered += other.len();
            running.push(tokio::spawn(async move {
                let mut results = Vec::new();
                for case in wanted {
                    let began = Instant::now();
                    // A task of its own, so that its panic ends nothing else.
                    let mut task = tokio::spawn((case.run)());
                    let ended = tokio::time::timeout(CASE, &mut task).await;
                    let passed = matches!(ended, Ok(Ok(())));
                    let word = match ended {
                        Ok(Ok(())) => "ok".to_owned(),
                        Ok(Err(_)) => "FAILED".to_owned(),
                        Err(_) => {
                            task.abort();
                            format!("FAILED: not over within {} s", CASE.as_secs())
                        }
                    };
                    println!("test {} ... {word} ({:.1} s)", case.name, began.elapsed().as_secs_f64());
                    results.push((case.name, passed));
                }
                results
            }));
        }
        let before = self.failed.len();
        for lane in running {
            for (name, passed) in lane.await.expect("lane") {
                if passed { self.passed += 1 } else { self.failed.push(name) }
            }
        }
        self.failed.len() == before
    }

    /// Prints the result; whether all passed.
    pub fn end(&self) -> bool {
        if !self.failed.is_empty() {
            println!("\nfailures:");
            self.failed.iter().for_each(|name| println!("    {name}"));
        }
        println!(
            "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
            if self.failed.is_empty() { "ok" } else { "FAILED" },
            self.passed,
            self.failed.len(),
            self.filtered,
            self.began.elapsed().as_secs_f64()
        );
        self.failed.is_empty()
    }
}
