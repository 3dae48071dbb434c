use super::*;

fn settings(kubeconfig: Option<PathBuf>, context: Option<&str>) -> Settings {
    Settings {
        kubeconfig,
        context: context.map(str::to_owned),
        response_timeout: Duration::from_secs(1),
        user_agent: "test".into(),
    }
}

async fn refusal(kubeconfig: Option<PathBuf>, context: Option<&str>) -> String {
    match connect(&settings(kubeconfig, context), &Metrics::new("test")).await {
        Ok(_) => panic!("it connected"),
        Err(error) => error.to_string(),
    }
}

fn file(text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("kit-kubeconfig-{}-{}", std::process::id(), rand::random::<u64>()));
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn every_refusal_names_the_file_and_the_remedy() {
    let missing = refusal(Some("/nowhere/config".into()), None).await;
    assert!(missing.contains("/nowhere/config") && missing.contains("check the path"), "{missing}");

    let path = file("{ not yaml");
    let broken = refusal(Some(path.clone()), None).await;
    assert!(broken.contains(&path.display().to_string()) && broken.contains("kubectl"), "{broken}");

    let path = file(
        "apiVersion: v1\nkind: Config\ncontexts: [{name: home, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n",
    );
    let unknown = refusal(Some(path), Some("work")).await;
    assert!(unknown.contains("\"work\"") && unknown.contains("home"), "{unknown}");

    let nowhere = refusal(None, None).await;
    assert!(nowhere.contains("--kubeconfig"), "{nowhere}");
}
