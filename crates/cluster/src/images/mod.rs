//! Container images made here, without a registry and without a daemon.
//!
//! - here: what an image holds, and its layer
//! - `archive`: the file that container runtimes load
//! - `libraries`: what a program needs beside itself
//! - `roots`: the certificate authorities that everybody trusts

mod archive;
mod libraries;
mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::machine;

pub use archive::Written;

/// The user as which a service runs; the number is that of other images without a shell.
const NOBODY: &str = "65532:65532";

/// An image of a few binaries, in one layer. The same content makes the same image, bit by bit.
#[derive(Default)]
pub struct Image {
    /// Name with tag, for example `shop:1.0`.
    pub reference: String,
    /// Files: path inside the image, path here.
    pub files: Vec<(String, PathBuf)>,
    /// Files that are made here: path inside the image, what is in them.
    pub texts: Vec<(String, String)>,
    /// Links: path inside the image, what it points to.
    pub links: Vec<(String, String)>,
    /// What it runs; arguments of a container are appended to it.
    pub entrypoint: Vec<String>,
    /// What it runs without arguments; those of a container replace it.
    pub command: Vec<String>,
    /// User as which it runs, for example `65532:65532`.
    pub user: String,
    /// What is said about it, by the names of the OCI.
    pub labels: BTreeMap<String, String>,
    /// Whether the layer is compressed: smaller to move, slower to make.
    pub compressed: bool,
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
            command: command.iter().map(|&word| word.to_owned()).collect(),
            ..Self::default()
        })
    }

    /// An image of one static binary.
    pub fn of_binary(reference: &str, binary: &Path, user: &str) -> Self {
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            reference: reference.to_owned(),
            files: vec![(format!("bin/{name}"), binary.to_owned())],
            entrypoint: vec![format!("/bin/{name}")],
            user: user.to_owned(),
            ..Self::default()
        }
    }

    /// An image of one program that talks to the world: with the libraries that it is linked to, if any, the certificate
    /// authorities that everybody trusts, names looked up by DNS, and a user that is not root.
    ///
    /// # Errors
    /// When a library that the program needs is not on this machine.
    pub fn of_service(reference: &str, binary: &Path) -> anyhow::Result<Self> {
        let mut image = Self::of_binary(reference, binary, NOBODY);
        image.files.extend(libraries::of(binary)?);
        image.texts.push(("etc/ssl/certs/ca-certificates.crt".to_owned(), roots::pem()));
        image.texts.push(("etc/nsswitch.conf".to_owned(), "hosts: files dns\n".to_owned()));
        Ok(image)
    }

    fn layer(&self) -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for folder in self.folders() {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(if folder == "tmp/" { 0o1777 } else { 0o755 });
            header.set_size(0);
            tar.append_data(&mut header, folder, std::io::empty())?;
        }
        append(&mut tar, "etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n")?;
        append(&mut tar, "etc/group", 0o644, b"root:x:0:\nnonroot:x:65532:\n")?;
        for (inside, text) in &self.texts {
            append(&mut tar, inside, 0o644, text.as_bytes())?;
        }
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

    /// Every folder, parents first.
    fn folders(&self) -> BTreeSet<String> {
        let mut folders: BTreeSet<String> =
            ["bin/", "etc/", "proc/", "sys/", "dev/", "tmp/"].into_iter().map(str::to_owned).collect();
        let inside = self.files.iter().map(|(path, _)| path).chain(self.texts.iter().map(|(path, _)| path));
        for path in inside {
            folders.extend(path.match_indices('/').filter_map(|(end, _)| path.get(..=end)).map(str::to_owned));
        }
        folders
    }
}

fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, name: &str, mode: u32, content: &[u8]) -> anyhow::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content)?;
    Ok(())
}

#[cfg(test)]
mod tests;
