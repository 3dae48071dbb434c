//! The ConfigMaps: the server's settings as environment, what it watches, its MCP servers.

use std::collections::BTreeMap;
use std::fmt::Write;

use api::instance::{InstanceMcp, McpServer, McpTransport};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use super::desired::{Settings, owned};
use super::spec::View;

/// File of the watched workloads.
pub(super) const WATCH_FILE: &str = "watch-config.yaml";
/// File of the MCP servers.
pub(super) const MCP_FILE: &str = "mcp_servers.json";

fn named(view: View<'_>, name: &str, data: BTreeMap<String, String>) -> ConfigMap {
    ConfigMap { metadata: owned(view, name), data: Some(data), ..ConfigMap::default() }
}

/// All of them that this Instance needs.
pub(super) fn config_maps(view: View<'_>, settings: &Settings) -> Vec<ConfigMap> {
    let mut env = environment(view);
    if let Some(url) = settings.prometheus_url.as_ref().filter(|_| view.watcher().is_some()) {
        env.insert("PROMETHEUS_URL".to_owned(), url.clone());
    }
    let mut maps = vec![named(view, view.name(), env)];
    if view.watcher().is_some() {
        let data = BTreeMap::from([(WATCH_FILE.to_owned(), watch_config(view))]);
        maps.push(named(view, &view.named("watch-config"), data));
    }
    if let Some(mcp) = own_mcp(view) {
        let data = BTreeMap::from([(MCP_FILE.to_owned(), mcp_config(mcp))]);
        maps.push(named(view, &view.named("mcp"), data));
    }
    maps
}

/// The MCP servers, when they stand in the spec itself.
fn own_mcp(view: View<'_>) -> Option<&InstanceMcp> {
    view.instance.spec.mcp.as_ref().filter(|mcp| mcp.enabled && mcp.existing_config_map.is_none())
}

/// ConfigMap of the MCP servers, whoever wrote it.
pub(super) fn mcp_map(view: View<'_>) -> Option<String> {
    let mcp = view.instance.spec.mcp.as_ref().filter(|mcp| mcp.enabled)?;
    Some(mcp.existing_config_map.clone().unwrap_or_else(|| view.named("mcp")))
}

/// What the server reads from its environment.
fn environment(view: View<'_>) -> BTreeMap<String, String> {
    let spec = &view.instance.spec;
    let mut env = BTreeMap::new();
    let mut set = |key: &str, value: String| drop(env.insert(key.to_owned(), value));
    set("LLM_PROVIDER", spec.provider.clone());
    set("CHATCLI_SERVER_PORT", view.port().to_string());
    if let Some(model) = &spec.model {
        set("LLM_MODEL", model.clone());
    }
    if let Some(fallback) = spec.fallback.as_ref().filter(|fallback| fallback.enabled) {
        let names: Vec<String> = fallback.providers.iter().map(|p| word(&p.name)).collect();
        set("CHATCLI_FALLBACK_ENABLED", "true".to_owned());
        set("CHATCLI_FALLBACK_PROVIDERS", names.join(","));
        for (provider, name) in fallback.providers.iter().zip(&names) {
            if let Some(model) = &provider.model {
                set(&format!("CHATCLI_FALLBACK_MODEL_{name}"), model.clone());
            }
        }
        set("CHATCLI_FALLBACK_MAX_RETRIES", fallback.max_retries.to_string());
        set("CHATCLI_FALLBACK_COOLDOWN_BASE", fallback.cooldown_base.clone());
        set("CHATCLI_FALLBACK_COOLDOWN_MAX", fallback.cooldown_max.clone());
    }
    if let Some(budget) = &spec.budget {
        if let Some(tokens) = budget.max_tokens_per_incident {
            set("CHATCLI_BUDGET_TOKENS_PER_INCIDENT", tokens.to_string());
        }
        if let Some(cost) = budget.max_cost_usd_per_incident {
            set("CHATCLI_BUDGET_USD_PER_INCIDENT", cost.to_string());
        }
    }
    if let Some(security) = view.security() {
        let numbers = [
            ("CHATCLI_RATE_LIMIT_RPS", security.rate_limit_rps),
            ("CHATCLI_RATE_LIMIT_BURST", security.rate_limit_burst),
            ("CHATCLI_MAX_RECV_MSG_SIZE", security.max_recv_msg_size),
            ("CHATCLI_MAX_SEND_MSG_SIZE", security.max_send_msg_size),
            ("CHATCLI_MAX_CONCURRENT_STREAMS", security.max_concurrent_streams),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                set(key, number.to_string());
            }
        }
        let texts = [
            ("CHATCLI_BIND_ADDRESS", security.bind_address.clone()),
            ("CHATCLI_AUDIT_LOG_PATH", security.audit_log_path.clone()),
            ("CHATCLI_DEBUG", security.debug.map(|on| on.to_string())),
            ("CHATCLI_GRPC_REFLECTION", security.enable_reflection.map(|on| on.to_string())),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                set(key, text);
            }
        }
    }
    if let Some(watcher) = view.watcher() {
        set("CHATCLI_WATCH_INTERVAL", watcher.interval.clone());
        set("CHATCLI_WATCH_WINDOW", watcher.window.clone());
        set("CHATCLI_WATCH_MAX_LOG_LINES", watcher.max_log_lines.to_string());
        if let Some(deployment) = &watcher.deployment {
            set("CHATCLI_WATCH_DEPLOYMENT", deployment.clone());
            set("CHATCLI_WATCH_NAMESPACE", watcher.namespace.clone().unwrap_or_else(|| view.namespace().to_owned()));
        }
    }
    env
}

/// The word that a unit variant is written as.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Text in YAML: a JSON string is one.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn watch_config(view: View<'_>) -> String {
    let mut text = String::new();
    let Some(watcher) = view.watcher() else { return text };
    let _ = write!(
        text,
        "interval: {}\nwindow: {}\nmaxLogLines: {}\nmaxContextChars: {}\ntargets:\n",
        quoted(&watcher.interval),
        quoted(&watcher.window),
        watcher.max_log_lines,
        watcher.max_context_chars
    );
    for target in view.targets() {
        let _ = write!(
            text,
            "- deployment: {}\n  kind: {}\n  namespace: {}\n",
            quoted(target.workload()),
            word(&target.kind),
            quoted(&target.namespace)
        );
        if let Some(port) = target.metrics_port.filter(|port| *port > 0) {
            let path = target.metrics_path.as_deref().unwrap_or("/metrics");
            let _ = write!(text, "  metricsPort: {port}\n  metricsPath: {}\n", quoted(path));
            if !target.metrics_filter.is_empty() {
                let filter: Vec<String> = target.metrics_filter.iter().map(|name| quoted(name)).collect();
                let _ = writeln!(text, "  metricsFilter: [{}]", filter.join(", "));
            }
        }
        if let Some(thresholds) = &target.thresholds {
            // JSON is YAML.
            let _ = writeln!(text, "  thresholds: {}", json!(thresholds));
        }
    }
    text
}

fn mcp_config(mcp: &InstanceMcp) -> String {
    let servers: Vec<Value> = mcp.servers.iter().map(mcp_server).collect();
    format!("{:#}\n", json!({"mcpServers": servers}))
}

fn mcp_server(server: &McpServer) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), json!(server.name));
    map.insert("enabled".to_owned(), json!(server.enabled));
    map.insert("transport".to_owned(), json!(server.transport));
    match server.transport {
        McpTransport::Stdio => {
            map.insert("command".to_owned(), json!(server.command));
            map.insert("args".to_owned(), json!(server.args));
            map.insert("env".to_owned(), json!(server.env));
        }
        McpTransport::Sse => drop(map.insert("url".to_owned(), json!(server.url))),
    }
    if !server.overrides.is_empty() {
        map.insert("overrides".to_owned(), json!(server.overrides));
    }
    Value::Object(map)
}
