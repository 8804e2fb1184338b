//! `/admin/nodes/…`.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::id::{EnrolTokenId, NodeId};
use domain::node::{EnrolTokenName, EnrolTokenRecord, Labels, Node};
use domain::permission::Action;
use http::{HeaderValue, header};
use snapshot::enrol::EnrolToken;
use snapshot::manifest::Version;
use store::PlatformTx;
use time::Duration;
use web::format::{moment, plural, thousands};
use web::forms::FormErrors;
use web::forms::nodes::{EnrollFields, EnrollForm};
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::nodes::{EnrollNode, EnrollTokenCreated, EnrollTokenRow, NodeRow, Nodes};

use super::{
    EnrolTerms, create_enroll_token, get as find, list, list_enroll_tokens, revoke,
    revoke_enroll_token,
};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Nonce, Operator, form_errors, go_to, invalid, once, page};

/// Nodes are few: a page shows all of them.
pub(crate) const ALL: u32 = 1_000;
const TOKENS_MAX: u32 = 200;
/// Nodes poll at least every half minute.
pub const SILENT_AFTER: Duration = Duration::seconds(90);

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/nodes", get(show_list))
        .route("/admin/nodes/enroll", get(show_enroll).post(enroll_here))
        .route(
            "/admin/nodes/{node}/revoke",
            get(show_revoke).post(revoke_here),
        )
        .route(
            "/admin/nodes/enroll-tokens/{token}/revoke",
            post(withdraw_here),
        )
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Live,
    Behind,
    Refusing,
    Silent,
    Revoked,
}

/// How a node stands beside the newest revision.
pub(crate) fn standing(node: &Node, newest: Option<Version>, now: Now) -> Standing {
    let is_silent = node.last_seen_at.is_none_or(|at| now.0 - at > SILENT_AFTER);
    if node.revoked_at.is_some() {
        Standing::Revoked
    } else if is_silent {
        Standing::Silent
    } else if node.rejected.is_some() {
        Standing::Refusing
    } else if newest.is_some_and(|newest| node.applied < newest) {
        Standing::Behind
    } else {
        Standing::Live
    }
}

fn badge(state: Standing) -> Badge {
    match state {
        Standing::Live => Badge::new(Tone::Good, "Live"),
        Standing::Behind => Badge::new(Tone::Warning, "Behind"),
        Standing::Refusing => Badge::new(Tone::Danger, "Refusing"),
        Standing::Silent => Badge::new(Tone::Danger, "Silent"),
        Standing::Revoked => Badge::new(Tone::Neutral, "Revoked"),
    }
}

async fn show_list(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    let authority = &operator.authority;
    let mut tx = app.db.platform_tx().await?;
    let mut nodes = list(authority, &mut tx, None, ALL).await?;
    let tokens = list_enroll_tokens(authority, &mut tx, None, TOKENS_MAX).await?;
    let newest = store::manifests::find_latest(&mut tx).await?;
    nodes.sort_by_key(|node| node.revoked_at.is_some());
    let version = newest.as_ref().map(|manifest| manifest.version);
    let may_revoke = authority.may(Action::RevokeNode);
    let mut usable = Vec::new();
    for token in tokens.iter().filter(|token| token.admit(now.0).is_ok()) {
        usable.push(token_row(&mut tx, token, now).await?);
    }
    page(&Nodes {
        shell: operator.shell(OperatorTab::Nodes),
        revision: version.map_or_else(
            || "nothing published yet".to_owned(),
            |version| {
                let revision = thousands(version.revision);
                format!("epoch {}, revision {revision}", version.epoch)
            },
        ),
        published_at: newest.map(|manifest| moment(manifest.created_at, now.0)),
        nodes: nodes
            .iter()
            .map(|node| row(node, version, (may_revoke, now)))
            .collect(),
        tokens: usable,
    })
}

fn row(node: &Node, newest: Option<Version>, (may_revoke, now): (bool, Now)) -> NodeRow {
    let state = standing(node, newest, now);
    let rejected = node
        .rejected
        .as_ref()
        .filter(|_| state != Standing::Revoked);
    NodeRow {
        id: node.id.to_string(),
        name: node.name.clone(),
        labels: labels(&node.labels),
        badge: badge(state),
        last_seen_at: node.last_seen_at.map(|at| moment(at, now.0)),
        revision: match node.applied.revision {
            0 => "–".to_owned(),
            revision => thousands(revision),
        },
        behind: match state {
            Standing::Revoked => String::new(),
            _ => behind(node.applied, newest),
        },
        version: node.software_version.clone(),
        refused: rejected.map(|rejected| {
            let revision = thousands(rejected.version.revision);
            format!(
                "Refused revision {revision}: {} ({})",
                rejected.detail, rejected.code
            )
        }),
        may_revoke: may_revoke && state != Standing::Revoked,
    }
}

fn behind(applied: Version, newest: Option<Version>) -> String {
    match newest {
        None => "nothing published yet".to_owned(),
        Some(_) if applied.revision == 0 => "has no snapshot yet".to_owned(),
        Some(newest) if applied.epoch < newest.epoch => "an epoch behind".to_owned(),
        Some(newest) => match newest.revision.saturating_sub(applied.revision) {
            0 => "up to date".to_owned(),
            count => format!("{} behind", plural(count, "revision")),
        },
    }
}

fn labels(labels: &Labels) -> Vec<String> {
    let pairs = labels.0.iter();
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

async fn token_row(
    tx: &mut PlatformTx,
    token: &EnrolTokenRecord,
    now: Now,
) -> Result<EnrollTokenRow, Failure> {
    let created_by = match token.created_by {
        None => "Tollgate".to_owned(),
        Some(user) => match store::users::get(tx, user).await {
            Err(store::Error::NotFound { .. }) => user.to_string(),
            found => found?.email,
        },
    };
    let left = token.uses_max.saturating_sub(token.uses);
    Ok(EnrollTokenRow {
        id: token.id.to_string(),
        name: token.name.clone(),
        labels: labels(&token.labels),
        uses_left: format!("{left} of {}", token.uses_max),
        expires_at: moment(token.expires_at, now.0),
        created_by,
    })
}

fn enroll_page(operator: &Operator, form: EnrollForm, errors: FormErrors) -> EnrollNode {
    EnrollNode {
        shell: operator.shell(OperatorTab::Nodes),
        form: EnrollForm {
            form_nonce: once(),
            ..form
        },
        errors,
    }
}

async fn show_enroll(operator: Operator) -> Answer {
    let (form, errors) = (EnrollForm::default(), FormErrors::default());
    page(&enroll_page(&operator, form, errors))
}

/// The answer to this POST shows the token: the only place where it ever stands.
async fn enroll_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<EnrollForm>,
) -> Answer {
    let fields = match form.parse() {
        Ok(fields) => fields,
        Err(errors) => return invalid(&enroll_page(&operator, form, errors)),
    };
    let authority = &operator.authority;
    let nonce = Nonce::new(authority, None, &form.form_nonce)?;
    let mut tx = app.db.platform_tx().await?;
    nonce.claim(&mut tx).await?;
    let made = match terms(&fields) {
        Ok(terms) => create_enroll_token(authority, &mut tx, &app.secrets, terms, now).await,
        Err(cause) => Err(cause),
    };
    let (record, token) = match made {
        Ok(made) => made,
        Err(cause) => return invalid(&enroll_page(&operator, form, form_errors(cause)?)),
    };
    nonce.finish(&mut tx, &record.id.to_string()).await?;
    tx.commit().await?;
    shown_once(&app, &operator, (&record, &token), now)
}

fn terms(fields: &EnrollFields) -> Result<EnrolTerms, ActionError> {
    Ok(EnrolTerms {
        name: EnrolTokenName::parse(&fields.name)?,
        labels: Labels::parse(fields.labels.iter().map(String::as_str))?,
        uses_max: fields.uses,
        lifetime: fields.lifetime,
    })
}

fn shown_once(
    app: &App,
    operator: &Operator,
    (record, token): (&EnrolTokenRecord, &EnrolToken),
    now: Now,
) -> Answer {
    let token = token.reveal();
    let mut response: Response = page(&EnrollTokenCreated {
        shell: operator.shell(OperatorTab::Nodes),
        command: format!(
            "CONTROL_PLANE_URL={} \\\nENROLL_TOKEN={token} \\\nSTATE_DIR=/var/lib/tollgate gateway-node",
            app.public_url
        ),
        token,
        uses: plural(u64::from(record.uses_max), "node"),
        expires_at: moment(record.expires_at, now.0),
    })?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn withdraw_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<EnrolTokenId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    revoke_enroll_token(&operator.authority, &mut tx, id, now).await?;
    tx.commit().await?;
    let text = "The token was withdrawn: no further node can enroll with it.";
    operator.flash(Tone::Good, text).await?;
    go_to("/admin/nodes")
}

async fn show_revoke(State(app): State<App>, operator: Operator, At(id): At<NodeId>) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let node = find(&operator.authority, &mut tx, id).await?;
    page(&Confirm {
        shell: operator.shell(OperatorTab::Nodes),
        title: format!("Revoke “{}”?", node.name),
        intro: "The node is shut out of this deployment for good.".to_owned(),
        consequences: vec![
            "Its calls are refused at once: it gets no snapshots, no quota and no data keys."
                .to_owned(),
            "It goes on serving the last snapshot that it holds until its process is stopped."
                .to_owned(),
            "What it knew is rotated: the other nodes get a new data key within about a second."
                .to_owned(),
            "To use the machine again, enroll it as a new node.".to_owned(),
        ],
        action: format!("/admin/nodes/{id}/revoke"),
        button: "Revoke node".to_owned(),
        is_danger: true,
        cancel_href: "/admin/nodes".to_owned(),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn revoke_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<NodeId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let node = revoke(&operator.authority, &mut tx, &app.secrets, id, now).await?;
    tx.commit().await?;
    let text = format!("Node “{}” was revoked.", node.name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/nodes")
}
