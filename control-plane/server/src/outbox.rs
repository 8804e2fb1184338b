//! Mails of a local stack that sends none, for its operators.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use domain::permission::Action;
use web::format::moment;
use web::layout::OperatorTab;
use web::pages::outbox::{MailRow, Outbox};

use crate::action::ActionError;
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::page::{Answer, Operator, page};
use crate::problem::Problem;

const SHOWN: u32 = 100;

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/admin/outbox", get(show_list))
}

/// The newest first. Mails carry codes: they are shown where none are sent, and nowhere else.
pub(crate) async fn list(
    app: &App,
    authority: &Authority,
) -> Result<Vec<store::outbox::Mail>, ActionError> {
    authority.require(Action::ListOutbox)?;
    if !app.mailer.has_outbox() {
        return Err(ActionError::NotFound("page"));
    }
    let mut tx = app.db.platform_tx().await?;
    Ok(store::outbox::all_tenants_list(&mut tx, None, SHOWN).await?)
}

async fn show_list(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    let mails = list(&app, &operator.authority)
        .await
        .map_err(Problem::from)?;
    page(&Outbox {
        shell: operator.shell(OperatorTab::Outbox),
        mails: mails
            .into_iter()
            .map(|mail| MailRow {
                to: mail.recipient,
                subject: mail.subject,
                created_at: moment(mail.created_at, now.0),
                body: mail.body,
            })
            .collect(),
    })
}
