use std::io::Read;

use serde_json::Value;

use super::archive::full_name;
use super::*;

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("image-test-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Every file of a tar archive.
fn unpack(archive: impl Read) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(path, content);
    }
    files
}

fn json(files: &BTreeMap<String, Vec<u8>>, path: &str) -> Value {
    serde_json::from_slice(&files[path]).unwrap()
}

fn blob(digest: &Value) -> String {
    digest.as_str().unwrap().replace(':', "/").replace("sha256", "blobs/sha256")
}

#[test]
fn an_archive_is_an_oci_layout_and_what_docker_loads() {
    let folder = scratch("layout");
    let program = folder.join("program");
    std::fs::write(&program, "#!static\n").unwrap();
    for compressed in [false, true] {
        let mut image = Image::of_service("registry.example/team/program:1.2", &program).unwrap();
        image.labels.insert("org.opencontainers.image.title".into(), "program".into());
        image.compressed = compressed;
        let (first, second) = (folder.join("first.tar"), folder.join("second.tar"));
        let written = image.write(&first).unwrap();
        assert_eq!(written, image.write(&second).unwrap());
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap(), "bit by bit the same");

        let files = unpack(std::fs::File::open(&first).unwrap());
        assert_eq!(json(&files, "oci-layout")["imageLayoutVersion"], "1.0.0");
        let index = json(&files, "index.json");
        let entry = &index["manifests"][0];
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "registry.example/team/program:1.2");
        assert_eq!(entry["digest"], written.digest.as_str());
        let manifest = json(&files, &blob(&entry["digest"]));
        let config = json(&files, &blob(&manifest["config"]["digest"]));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/program");
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.title"], "program");
        let layer = &files[&blob(&manifest["layers"][0]["digest"])];
        let docker = json(&files, "manifest.json");
        assert_eq!(docker[0]["RepoTags"][0], "registry.example/team/program:1.2");
        assert_eq!(&files[docker[0]["Layers"][0].as_str().unwrap()], layer);

        let inside =
            if compressed { unpack(flate2::read::GzDecoder::new(layer.as_slice())) } else { unpack(layer.as_slice()) };
        assert!(inside.contains_key("bin/program"));
        let text = |path: &str| String::from_utf8(inside[path].clone()).unwrap();
        assert!(text("etc/passwd").contains("nonroot:x:65532:65532"));
        assert!(text("etc/group").contains("nonroot:x:65532:"));
        assert!(text("etc/ssl/certs/ca-certificates.crt").matches("BEGIN CERTIFICATE").count() > 100);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn names_are_completed_as_the_kubelet_completes_them() {
    for (short, full) in [
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("chatcli/coredns:1", "docker.io/chatcli/coredns:1"),
        ("registry.example/a/b:1", "registry.example/a/b:1"),
        ("localhost/a:1", "localhost/a:1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
    ] {
        assert_eq!(full_name(short), full);
    }
}

#[test]
fn folders_come_before_what_is_in_them() {
    let image = Image { texts: vec![("a/b/c.txt".into(), String::new())], ..Image::default() };
    let folders: Vec<String> = image.folders().into_iter().collect();
    assert!(folders.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(folders.contains(&"a/".to_owned()) && folders.contains(&"a/b/".to_owned()));
}
