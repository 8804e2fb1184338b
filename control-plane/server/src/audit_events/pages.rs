//! `/admin/audit`.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use domain::audit::Event;
use domain::id::{EventId, TenantId};
use domain::permission::{Action, Effect};
use serde_json::{Map, Value};
use store::audit::Filter;
use web::format::moment;
use web::forms::audit::AuditQuery;
use web::forms::{Choice, FormErrors};
use web::layout::OperatorTab;
use web::pages::audit::{Audit, AuditChange, AuditRow, AuditTenant};

use super::{ids, list_all};
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Operator, page};

const PAGE_SIZE: u32 = 50;
/// Longer values are cut: the API has them whole.
const SHOWN_CHARS_MAX: usize = 300;

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/admin/audit", get(show_list))
}

async fn show_list(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Query(query): Query<AuditQuery>,
) -> Answer {
    let (filter, errors) = filter(&query);
    let before: Option<EventId> = query.cursor.parse().ok();
    let mut tx = app.db.platform_tx().await?;
    let mut events = match errors.is_empty() {
        true => list_all(&operator.authority, &mut tx, &filter, before, PAGE_SIZE + 1).await?,
        false => Vec::new(),
    };
    let has_more = events.len() > PAGE_SIZE as usize;
    events.truncate(PAGE_SIZE as usize);
    let tenants: Vec<TenantId> = events.iter().filter_map(|event| event.tenant_id).collect();
    let names = store::overview::all_tenants_names(&mut tx, &tenants).await?;
    let next = events.last().filter(|_| has_more).map(|event| event.id);
    page(&Audit {
        shell: operator.shell(OperatorTab::Audit),
        actions: actions(&query.action),
        next_href: next.map(|id| href(&query, Some(id))),
        first_href: before.map(|_| href(&query, None)),
        events: events
            .into_iter()
            .map(|event| row(event, &names, now))
            .collect(),
        query,
        errors,
    })
}

fn filter(query: &AuditQuery) -> (Filter, FormErrors) {
    let mut errors = FormErrors::default();
    let parsed = match query.parse() {
        Ok(parsed) => parsed,
        Err(errors) => return (Filter::default(), errors),
    };
    let subject_id = parsed.subject.as_deref().and_then(ids::read);
    if parsed.subject.is_some() && subject_id.is_none() {
        errors.insert(
            "subject",
            "Enter an id, such as ten_01jdq7m2k9e5v8r3x6t4w1z0ab.",
        );
    }
    let filter = Filter {
        action: parsed.action,
        actor: parsed.actor,
        subject_id,
        from: parsed.from,
        to: parsed.to,
        ..Filter::default()
    };
    (filter, errors)
}

fn actions(selected: &str) -> Vec<Choice> {
    let mut choices = vec![Choice::new("", "Any action").selected_if(selected.is_empty())];
    let mut names: Vec<&str> = Action::ALL
        .iter()
        .filter(|action| action.effect() == Effect::Write)
        .map(|action| action.name())
        .collect();
    names.sort_unstable();
    choices.extend(
        names
            .into_iter()
            .map(|name| Choice::new(name, name).selected_if(name == selected)),
    );
    choices
}

/// The same list from another place on.
fn href(query: &AuditQuery, cursor: Option<EventId>) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("actor", &query.actor),
        ("action", &query.action),
        ("subject", &query.subject),
        ("from", &query.from),
        ("to", &query.to),
    ] {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    if let Some(cursor) = cursor {
        pairs.append_pair("cursor", &cursor.to_string());
    }
    format!("/admin/audit?{}", pairs.finish())
}

fn row(event: Event, names: &[(TenantId, String)], now: Now) -> AuditRow {
    let id = event.noun_id.map(|id| ids::shown(&event.noun, id));
    AuditRow {
        id: event.id.to_string(),
        at: moment(event.at, now.0),
        actor: event.actor.label,
        changes: changes(event.before.as_ref(), event.after.as_ref()),
        subject: match (event.noun_label.is_empty(), &id) {
            (false, _) => event.noun_label,
            (true, Some(id)) => id.clone(),
            (true, None) => event.noun.clone(),
        },
        subject_href: id.and_then(|id| subject_href(&event.noun, &id, event.tenant_id)),
        tenant: event.tenant_id.and_then(|tenant| {
            let (_, name) = names.iter().find(|(id, _)| *id == tenant)?;
            Some(AuditTenant {
                id: tenant.to_string(),
                name: name.clone(),
            })
        }),
        address: None,
        request_id: event.request_id.unwrap_or_default(),
        action: event.action,
    }
}

fn subject_href(noun: &str, id: &str, tenant: Option<TenantId>) -> Option<String> {
    match (noun, tenant) {
        ("plan", _) => Some(format!("/admin/plans/{id}")),
        ("api", _) => Some(format!("/admin/apis/{id}")),
        ("upstream", _) => Some(format!("/admin/upstreams/{id}")),
        ("tenant", _) => Some(format!("/admin/tenants/{id}")),
        ("node" | "enroll_token", _) => Some("/admin/nodes".to_owned()),
        ("api_key", Some(tenant)) => Some(format!("/t/{tenant}/keys/{id}")),
        ("subscription" | "plan_request" | "member", Some(tenant)) => {
            Some(format!("/admin/tenants/{tenant}"))
        }
        _ => None,
    }
}

/// The fields that differ.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<AuditChange> {
    let empty = Map::new();
    let fields = |value: Option<&'_ Value>| -> Map<String, Value> {
        value.and_then(Value::as_object).unwrap_or(&empty).clone()
    };
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    // The entry itself says which thing and when.
    names.retain(|name| !["id", "created_at"].contains(&name.as_str()));
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| AuditChange {
            field: name.clone(),
            before: before.get(name).and_then(shown),
            after: after.get(name).and_then(shown),
        })
        .filter(|change| change.before.is_some() || change.after.is_some())
        .collect()
}

fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            match words.is_empty() {
                true => return None,
                false => words.join(", "),
            }
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => Some(format!("{}…", &text[..end])),
        None => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let found = changes(
            Some(&json!({"name": "a", "limit": 1, "hosts": []})),
            Some(&json!({"name": "a", "limit": 2, "hosts": ["x", "y"]})),
        );
        let told: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.field.as_str(),
                    one.before.as_deref(),
                    one.after.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("hosts", None, Some("x, y")),
                ("limit", Some("1"), Some("2"))
            ]
        );
    }
}
