//! The file in which an image travels: an OCI image layout, which `ctr`, `kind load` and registries take, and beside it the
//! `manifest.json` by which `docker load` finds the same content.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Image, append};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Digest of the manifest: the identity of the image.
    pub digest: String,
    /// Bytes that a node downloads.
    pub size: u64,
}

impl Image {
    /// Writes the image as an archive that `ctr`, `docker load` and `kind load` take.
    ///
    /// # Errors
    /// When a file cannot be read or the archive not be written.
    pub fn write(&self, archive: &Path) -> anyhow::Result<Written> {
        let plain = self.layer()?;
        let diff_id = digest(&plain);
        let (layer, media_type) =
            if self.compressed { (compress(&plain)?, format!("{LAYER}+gzip")) } else { (plain, LAYER.to_owned()) };
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = serde_json::to_vec(&json!({
            // No time of making: the same content is the same image.
            "created": "1970-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint, "Cmd": self.command, "User": self.user, "Env": ["PATH=/bin"],
                "WorkingDir": "/", "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
        }))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(&media_type, &layer)],
            "annotations": self.labels,
        }))?;
        let size = (layer.len() + config.len() + manifest.len()) as u64;

        let entry = json!({
            "mediaType": MANIFEST,
            "digest": format!("sha256:{}", digest(&manifest)),
            "size": manifest.len(),
            "platform": {"architecture": architecture, "os": "linux"},
            "annotations": {
                "io.containerd.image.name": full_name(&self.reference),
                "org.opencontainers.image.ref.name": self.reference.rsplit_once(':').map_or("latest", |(_, tag)| tag),
            },
        });
        let index = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))?;
        let blob = |content: &[u8]| format!("blobs/sha256/{}", digest(content));
        let docker = serde_json::to_vec(
            &json!([{"Config": blob(&config), "RepoTags": [self.reference], "Layers": [blob(&layer)]}]),
        )?;

        let file = File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
        let mut tar = tar::Builder::new(file);
        append(&mut tar, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut tar, "index.json", 0o644, &index)?;
        append(&mut tar, "manifest.json", 0o644, &docker)?;
        for content in [&config, &manifest, &layer] {
            append(&mut tar, &blob(content), 0o644, content)?;
        }
        tar.into_inner()?.flush()?;
        Ok(Written { digest: format!("sha256:{}", digest(&manifest)), size })
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", digest(content)), "size": content.len()})
}

fn compress(layer: &[u8]) -> anyhow::Result<Vec<u8>> {
    // Neither a name nor a time in its head.
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(layer)?;
    Ok(encoder.finish()?)
}

/// A name as the kubelet asks for it: with its registry.
pub fn full_name(reference: &str) -> String {
    match reference.split_once('/') {
        None => format!("docker.io/library/{reference}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => reference.to_owned(),
        Some(_) => format!("docker.io/{reference}"),
    }
}

fn digest(content: &[u8]) -> String {
    crate::hex(&Sha256::digest(content))
}
