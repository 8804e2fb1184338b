//! What `up` says when it is ready: to people on standard output, to programs in `up.json`.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// `<data-dir>/up.json`, mode 0600: there while the stack is ready, and only then.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpReport {
    pub ready: bool,
    pub pid: u32,
    pub control_plane: String,
    pub gateways: Vec<String>,
    pub node_admin: Vec<String>,
    pub upstream: String,
    pub admin: Admin,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo: Option<Demo>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Admin {
    pub email: String,
    pub password: String,
    pub api_token: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Demo {
    pub tenant_id: String,
    pub plan_id: String,
    pub api_key: String,
    pub user_email: String,
    pub user_password: String,
    pub oauth_client_id: String,
}

pub const UP_JSON: &str = "up.json";

/// The lines that a person reads. A closed standard output does not matter.
pub fn print(report: &UpReport, notes: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines(report, notes) {
        let _ = writeln!(out, "{line}");
    }
}

fn lines(report: &UpReport, notes: &[String]) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "Tollgate is ready.".to_owned(),
        String::new(),
        format!("  Console       {}", report.control_plane),
        format!("  Gateway       {}", report.gateways.join("  ")),
        format!("  Node admin    {}", report.node_admin.join("  ")),
        format!("  Upstream      {}", report.upstream),
        String::new(),
        format!("  Operator      {}", report.admin.email),
        format!("  Password      {}", report.admin.password),
    ];
    if let (Some(demo), Some(gateway)) = (&report.demo, report.gateways.first()) {
        lines.extend([
            String::new(),
            "  Try:".to_owned(),
            format!(
                "  curl -i {gateway}/demo/hello -H 'x-api-key: {}'",
                demo.api_key
            ),
            String::new(),
            format!(
                "  Somebody who signs in to the demo application: {}",
                demo.user_email
            ),
            format!(
                "  Password {}   client_id {}",
                demo.user_password, demo.oauth_client_id
            ),
        ]);
    }
    lines.extend(notes.iter().map(|note| format!("\n  {note}")));
    lines.extend([String::new(), "  Ctrl-C stops it.".to_owned()]);
    lines
}
