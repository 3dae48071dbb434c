//! How the server listens and how the operator reaches it.

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::shared::SecretKeyRef;
use crate::{formats, references};

/// How the server listens and how the operator reaches it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = formats::rule("metricsPort", "self.port != self.metricsPort", "metricsPort must differ from port"))]
pub struct InstanceServer {
    /// Address that the operator dials, `host` or `host:port`; default is the Service of this Instance. With TLS, the certificate
    /// must be valid for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::dial_address")]
    pub address: Option<String>,
    /// Port of the server's metrics and probes, 1 to 65535; 0 serves no metrics. Default 9090.
    #[serde(default = "metrics_port")]
    #[schemars(schema_with = "formats::port_or_zero")]
    pub metrics_port: i32,
    /// Port of gRPC, 1 to 65535. Default 50051.
    #[serde(default = "grpc_port")]
    #[schemars(schema_with = "formats::port")]
    pub port: i32,
    /// Limits and hardening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<InstanceServerSecurity>,
    /// Name that the server's certificate must be valid for, when it is not the host of `address`, or not
    /// `<name>.<namespace>.svc.<cluster domain>` where there is no `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "server_name")]
    pub server_name: Option<String>,
    /// Encryption between operator and server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<InstanceServerTls>,
    /// Key of a Secret in the same namespace with the token that callers must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::secret_key")]
    pub token: Option<SecretKeyRef>,
}

/// Encryption between operator and server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerTls {
    /// Serve and dial with TLS. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Secret in the same namespace with `tls.crt`, `tls.key` and, when the issuer is not publicly trusted, `ca.crt`. Without it the
    /// operator issues a certificate of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "formats::object_name")]
    pub secret_name: Option<String>,
}

/// Limits and hardening of the server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InstanceServerSecurity {
    /// File in the container to which the server writes one line per call, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "absolute_path")]
    pub audit_log_path: Option<String>,
    /// IP address that the server listens on. Default: all of them in a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bind_address")]
    pub bind_address: Option<String>,
    /// Log in detail. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Let gRPC clients ask which calls there are. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_reflection: Option<bool>,
    /// Key of a Secret in the same namespace with the secret that signs the callers' JWTs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "references::secret_key")]
    pub jwt_secret_ref: Option<SecretKeyRef>,
    /// Most calls at a time per connection, at least 1. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent_streams: Option<i32>,
    /// Largest message that the server accepts, in bytes, at least 1024. Default 52428800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub max_recv_msg_size: Option<i32>,
    /// Largest message that the server sends, in bytes, at least 1024. Default 52428800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024))]
    pub max_send_msg_size: Option<i32>,
    /// Calls that one caller may make at once, at least 1. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate_limit_burst: Option<i32>,
    /// Calls per second that one caller may make on average, at least 1. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate_limit_rps: Option<i32>,
}

fn grpc_port() -> i32 {
    50051
}

fn metrics_port() -> i32 {
    9090
}

fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        4096,
        r"self.matches(r'^/[^\r\n]*[^/\r\n]$') && !self.matches(r'(^|/)\.\.(/|$)')",
        "must be the absolute path of a file, without .., such as /tmp/audit.log",
    )
}

fn server_name(_: &mut SchemaGenerator) -> Schema {
    formats::checked(
        253,
        &formats::cel_host("self"),
        "must be the name or address of a host without scheme and port, such as chatcli.example.com",
    )
}

fn bind_address(_: &mut SchemaGenerator) -> Schema {
    formats::checked(64, "isIP(self) || self == 'localhost'", "must be an IP address without a port, such as 0.0.0.0")
}
