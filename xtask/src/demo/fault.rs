//! The faults: how each is made, as a person would make it by mistake.

use cluster::Cluster;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// A rollout to an image that does not exist; the old pods go on serving.
    BadImage,
    /// A rollout with a wrong environment value; the new pods crash.
    BadConfig,
    /// A backlog that does not fit into the memory limit.
    Oom,
    /// A rollout whose readiness probe asks for a path that does not exist.
    Readiness,
    /// A rollout that requests more CPU than any node has.
    Unschedulable,
}

impl Fault {
    /// Its name on the command line.
    pub fn name(self) -> String {
        use clap::ValueEnum;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The Deployment that breaks.
    pub fn workload(self) -> &'static str {
        match self {
            Self::BadImage | Self::Readiness => "api-gateway",
            Self::BadConfig | Self::Oom => "payment-service",
            Self::Unschedulable => "user-service",
        }
    }

    /// Whether nothing is to be done automatically.
    pub fn is_for_people(self) -> bool {
        self == Self::Unschedulable
    }

    fn args(self) -> Vec<String> {
        let deployment = format!("deployment/{}", self.workload());
        let patch = |patch: &str| {
            vec!["patch".to_owned(), deployment.clone(), "--type=strategic".to_owned(), format!("--patch={patch}")]
        };
        match self {
            Self::BadImage => {
                vec!["set".into(), "image".into(), deployment, "app=chatcli/demo-service:1.0.1-rc".into()]
            }
            Self::BadConfig => patch(
                r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"PAYMENT_TIMEOUT_MS","value":"fast","valueFrom":null}]}]}}}}"#,
            ),
            Self::Oom => Vec::new(),
            Self::Readiness => patch(
                r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","readinessProbe":{"httpGet":{"path":"/ready","port":"http"}}}]}}}}"#,
            ),
            Self::Unschedulable => patch(
                r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"64"}}}]}}}}"#,
            ),
        }
    }

    /// What a person would have typed.
    pub fn command_line(self) -> String {
        match self {
            Self::Oom => "(a backlog of 160 MiB arrives at payment-service, whose limit is 96Mi)".to_owned(),
            other => {
                let words: Vec<String> = other.args().iter().map(|word| quoted(word)).collect();
                format!("kubectl -n production {}", words.join(" "))
            }
        }
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn inject(self, cluster: &Cluster) -> anyhow::Result<()> {
        if self == Self::Oom {
            let pods = cluster.run_kubectl(&[
                "-n",
                "production",
                "get",
                "pods",
                "-l",
                "app=payment-service",
                "-o",
                "jsonpath={.items[*].metadata.name}",
            ])?;
            for pod in pods.split_whitespace() {
                cluster.run_kubectl(&[
                    "get",
                    "--raw",
                    &format!("/api/v1/namespaces/production/pods/{pod}:8080/proxy/faults/backlog?mb=160"),
                ])?;
            }
            return Ok(());
        }
        let args = self.args();
        let mut all = vec!["-n", "production"];
        all.extend(args.iter().map(String::as_str));
        cluster.run_kubectl(&all).map(drop)
    }

    /// What a person types about a fault that is theirs to mend.
    pub fn mending_line(self) -> String {
        format!("kubectl -n production rollout undo deployment/{}   (a person mends it)", self.workload())
    }

    /// What a person does about a fault that is theirs to mend.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn mend_by_hand(self, cluster: &Cluster) -> anyhow::Result<()> {
        cluster
            .run_kubectl(&["-n", "production", "rollout", "undo", &format!("deployment/{}", self.workload())])
            .map(drop)
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    if word.contains(['"', '{', ' ', '$']) { format!("'{word}'") } else { word.to_owned() }
}
