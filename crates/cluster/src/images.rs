//! Container images made here, without a registry and without a daemon.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine;
use anyhow::Context;
use serde_json::json;
use sha2::{Digest, Sha256};

/// An image of a few static binaries.
pub struct Image {
    /// Name with tag, for example `shop:1.0`.
    pub reference: String,
    /// Files: path inside the image, path here.
    pub files: Vec<(String, PathBuf)>,
    /// Links: path inside the image, what it points to.
    pub links: Vec<(String, String)>,
    /// What it runs; arguments of a container are appended to it.
    pub entrypoint: Vec<String>,
    /// What it runs without arguments; those of a container replace it.
    pub command: Vec<String>,
    /// User as which it runs, for example `65532:65532`.
    pub user: String,
}

impl Image {
    /// busybox with every applet on the path.
    ///
    /// # Errors
    /// When busybox is not installed.
    pub fn busybox(reference: &str, command: &[&str]) -> anyhow::Result<Self> {
        let busybox =
            machine::find("busybox").context("busybox is missing; remedy: `apt-get install busybox-static`")?;
        let applets = Command::new(&busybox).arg("--list").output().context("busybox --list")?;
        let applets = String::from_utf8_lossy(&applets.stdout).into_owned();
        let links = applets
            .lines()
            .filter(|name| *name != "busybox")
            .map(|name| (format!("bin/{name}"), "busybox".to_owned()))
            .collect();
        Ok(Self {
            reference: reference.to_owned(),
            files: vec![("bin/busybox".to_owned(), busybox)],
            links,
            entrypoint: Vec::new(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            user: String::new(),
        })
    }

    /// An image of one static binary.
    pub fn of_binary(reference: &str, binary: &Path, user: &str) -> Self {
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            reference: reference.to_owned(),
            files: vec![(format!("bin/{name}"), binary.to_owned())],
            links: Vec::new(),
            entrypoint: vec![format!("/bin/{name}")],
            command: Vec::new(),
            user: user.to_owned(),
        }
    }

    /// Writes the image as an archive that `ctr`, `docker load` and `kind load` take.
    ///
    /// # Errors
    /// When a file cannot be read or the archive not be written.
    pub fn write(&self, archive: &Path) -> anyhow::Result<()> {
        let layer = self.layer()?;
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Entrypoint": self.entrypoint, "Cmd": self.command, "User": self.user, "Env": ["PATH=/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
        });
        let config = serde_json::to_vec(&config)?;
        let config_name = format!("{}.json", digest(&config));
        let manifest = serde_json::to_vec(
            &json!([{"Config": config_name, "RepoTags": [self.reference], "Layers": ["layer.tar"]}]),
        )?;
        let mut tar =
            tar::Builder::new(File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?);
        for (name, content) in [("layer.tar", &layer), (config_name.as_str(), &config), ("manifest.json", &manifest)] {
            append(&mut tar, name, 0o644, content)?;
        }
        tar.finish()?;
        Ok(())
    }

    fn layer(&self) -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for folder in ["bin/", "etc/", "proc/", "sys/", "dev/", "tmp/"] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(if folder == "tmp/" { 0o1777 } else { 0o755 });
            header.set_size(0);
            tar.append_data(&mut header, folder, std::io::empty())?;
        }
        append(&mut tar, "etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n")?;
        append(&mut tar, "etc/group", 0o644, b"root:x:0:\nnonroot:x:65532:\n")?;
        for (inside, path) in &self.files {
            let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            append(&mut tar, inside, 0o755, &content)?;
        }
        for (inside, target) in &self.links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, inside, target)?;
        }
        Ok(tar.into_inner()?)
    }
}

fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, name: &str, mode: u32, content: &[u8]) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content)?;
    Ok(())
}

fn digest(content: &[u8]) -> String {
    crate::hex(&Sha256::digest(content))
}
