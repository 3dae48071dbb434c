//! `go build` of pinned modules, with progress: the first build takes minutes.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Oldest Go that builds the pinned modules.
const GO_MINOR: u32 = 26;
/// A line of progress this often where the output is no terminal.
const QUIET: Duration = Duration::from_secs(20);

/// Builds packages of the module in `module` into `folder`; each is a pair of package and binary.
///
/// # Errors
/// When Go is missing or too old, or the build fails, with the compiler's last lines.
pub fn go(module: &Path, name: &str, version: &str, packages: &[(&str, &str)], folder: &Path) -> anyhow::Result<()> {
    let minor = go_minor(module, name)?;
    let began = Instant::now();
    let binaries: Vec<&str> = packages.iter().map(|(_, binary)| *binary).collect();
    eprintln!("building {name} {version}: {} (once, then it is cached)", binaries.join(", "));
    let ldflags = ldflags(module, name, version);
    // A build that is cut off must not look finished.
    let partial = folder.join("partial");
    let _ = std::fs::remove_dir_all(&partial);
    std::fs::create_dir_all(&partial)?;
    let output = match packages {
        [(_, binary)] => partial.join(binary),
        _ => partial.clone(),
    };
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(module).env("CGO_ENABLED", "0").env("GOFLAGS", "");
        if minor >= 27 {
            // Its new JSON makes the API server's OpenAPI wrong.
            command.env("GOEXPERIMENT", "nojsonv2");
        }
        command
    };
    let wanted: Vec<&str> = packages.iter().map(|(package, _)| *package).collect();
    let listed = go(&[&["list", "-deps"][..], &wanted].concat()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let total = follow(listed.context("cannot start go")?, name, None).context(REMEDY)?;
    let child = go(&["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", &ldflags, "-o"])
        .arg(&output)
        .args(&wanted)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start go")?;
    follow(child, name, Some(total)).context(REMEDY)?;
    for binary in &binaries {
        std::fs::rename(partial.join(binary), folder.join(binary)).with_context(|| format!("go built no {binary}"))?;
    }
    std::fs::remove_dir_all(&partial)?;
    eprintln!("built {name} {version} in {} s", began.elapsed().as_secs());
    Ok(())
}

const REMEDY: &str =
    "the build failed; remedy: see the lines below; the Go module proxy must be reachable the first time";

/// Minor version of the Go that the module gets: Go itself may fetch the one that the module asks for.
fn go_minor(module: &Path, name: &str) -> anyhow::Result<u32> {
    const MEND: &str = "remedy: install Go 1.26 or newer (https://go.dev/dl)";
    ensure!(crate::machine::has("go"), "Go is not installed, and {name} must be built once; {MEND}");
    let output =
        Command::new("go").args(["env", "GOVERSION"]).current_dir(module).output().context("cannot start go")?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let minor = parse_minor(&text).filter(|_| output.status.success()).with_context(|| {
        format!("Go cannot build {name}: {}; {MEND}", String::from_utf8_lossy(&output.stderr).trim())
    })?;
    ensure!(minor >= GO_MINOR, "{text} is too old to build {name}; {MEND}");
    Ok(minor)
}

fn parse_minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("go1.")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn ldflags(module: &Path, name: &str, version: &str) -> String {
    let mut flags = "-s -w".to_owned();
    if name == "kubernetes" {
        // Otherwise clients see v0.0.0.
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
        for (key, value) in [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)] {
            flags = format!("{flags} -X k8s.io/component-base/version.{key}={value}");
        }
    }
    if name == "helm" {
        flags = format!("{flags} -X helm.sh/helm/v3/internal/version.version={version}");
        // Otherwise charts without a cluster are rendered for Kubernetes 1.20.
        let go_mod = std::fs::read_to_string(module.join("go.mod")).unwrap_or_default();
        if let Some(minor) = crate::tools::pinned(&go_mod, "k8s.io/client-go").as_deref().and_then(client_minor) {
            for package in ["pkg/chartutil", "pkg/lint/rules"] {
                for (key, value) in [("k8sVersionMajor", "1"), ("k8sVersionMinor", minor)] {
                    flags = format!("{flags} -X helm.sh/helm/v3/{package}.{key}={value}");
                }
            }
        }
    }
    flags
}

/// The minor version of Kubernetes in a version of its client library, which counts v0.37 for 1.37.
fn client_minor(version: &str) -> Option<&str> {
    version.strip_prefix("v0.")?.split('.').next()
}

/// Shows how far a go command is, until it ends; returns how many packages it named.
fn follow(mut child: Child, name: &str, total: Option<usize>) -> anyhow::Result<usize> {
    let listing = child.stdout.take();
    // Both outputs are read at once, or a full pipe would stop the command.
    let listed = std::thread::spawn(move || listing.map_or(0, |out| BufReader::new(out).lines().count()));
    let mut progress = Progress { name: name.to_owned(), total, began: Instant::now(), shown: None };
    let (mut modules, mut packages, mut rest) = (0, HashSet::new(), Vec::new());
    for line in BufReader::new(child.stderr.take().context("go has no output")?).lines() {
        let line = line?;
        if line.starts_with("go: downloading ") {
            modules += 1;
        } else if total.is_some() && line.contains('/') && !line.contains([' ', ':']) {
            packages.insert(line);
        } else {
            rest.push(line);
        }
        progress.show(modules, packages.len());
    }
    progress.end();
    let status = child.wait()?;
    let listed = listed.join().unwrap_or_default();
    if !status.success() {
        let from = rest.len().saturating_sub(12);
        bail!("{}", rest.get(from..).unwrap_or_default().join("\n"));
    }
    Ok(if total.is_some() { packages.len() } else { listed })
}

struct Progress {
    name: String,
    total: Option<usize>,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    fn show(&mut self, modules: usize, packages: usize) {
        let terminal = std::io::stderr().is_terminal();
        let pause = if terminal { Duration::from_millis(200) } else { QUIET };
        if self.shown.unwrap_or(self.began).elapsed() < pause {
            return;
        }
        self.shown = Some(Instant::now());
        let text = match self.total {
            Some(total) => format!("{packages} of at most {total} packages compiled"),
            None => format!("{modules} modules downloaded"),
        };
        let line = format!("  {}: {text}, {} s", self.name, self.began.elapsed().as_secs());
        let mut out = std::io::stderr().lock();
        let _ = if terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
    }

    fn end(&self) {
        if self.shown.is_some() && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_minor_version_is_read_from_what_go_prints() {
        for (text, minor) in [("go1.26.8", Some(26)), ("go1.27rc1", Some(27)), ("devel +abc", None), ("", None)] {
            assert_eq!(super::parse_minor(text), minor, "{text}");
        }
    }

    #[test]
    fn helm_renders_for_the_kubernetes_of_its_client() {
        assert_eq!(super::client_minor("v0.37.1"), Some("37"));
        assert_eq!(super::client_minor("v1.2.3"), None);
    }
}
