//! What operators do to a person from their page.

use axum::extract::State;
use axum_extra::extract::Form;
use domain::email::Email;
use domain::id::UserId;
use domain::password::NewPassword;
use domain::permission::Action;
use domain::user::{PersonName, User};
use web::forms::FormErrors;
use web::forms::users::{ImportForm, NewUserForm};
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::users::{ImportLine, ImportReport, ImportUsers, NewUser};

use super::import::{self, LineReport, LineStatus, MembershipStatus, Report};
use super::pages::detail;
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, form_errors, go_to, invalid, page};
use crate::people::NewPerson;

pub async fn show_new(operator: Operator) -> Answer {
    operator.authority.require(Action::CreateUser)?;
    page(&new_page(
        &operator,
        NewUserForm::default(),
        FormErrors::default(),
    ))
}

fn new_page(operator: &Operator, form: NewUserForm, errors: FormErrors) -> NewUser {
    NewUser {
        shell: operator.shell(OperatorTab::Users),
        form,
        errors,
    }
}

pub async fn create_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<NewUserForm>,
) -> Answer {
    operator.authority.require(Action::CreateUser)?;
    let errors = match parse(&app, &form).await? {
        Ok(new) => {
            let mut tx = app.db.platform_tx().await?;
            match super::create(&app, &operator.authority, &mut tx, new, now).await {
                Ok(user) => {
                    tx.commit().await?;
                    app.mailer.wake();
                    let text = match user.password_hash {
                        Some(_) => format!("{} can sign in.", user.email),
                        None => format!("{} was told by mail how to come in.", user.email),
                    };
                    return back(&operator, user.id, &text).await;
                }
                Err(cause) => form_errors(cause)?,
            }
        }
        Err(errors) => errors,
    };
    invalid(&new_page(&operator, form, errors))
}

async fn parse(app: &App, form: &NewUserForm) -> Result<Result<NewPerson, FormErrors>, Failure> {
    let mut errors = FormErrors::default();
    let mut keep = |error| errors.add(error);
    let name = PersonName::parse(&form.name).map_err(&mut keep);
    let email = Email::parse(&form.email).map_err(&mut keep);
    let password = match &email {
        Ok(email) if !form.password.is_empty() => NewPassword::parse(&form.password, email)
            .map(Some)
            .map_err(&mut keep),
        _ => Ok(None),
    };
    let (Ok(name), Ok(email), Ok(password)) = (name, email, password) else {
        return Ok(Err(errors));
    };
    let password_hash = match &password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    Ok(Ok(NewPerson {
        email,
        name,
        is_email_confirmed: password_hash.is_some(),
        password_hash,
        role: None,
    }))
}

async fn back(operator: &Operator, user: UserId, text: &str) -> Answer {
    operator.flash(Tone::Good, text).await?;
    go_to(&format!("/admin/users/{user}"))
}

pub async fn show_disable(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
) -> Answer {
    operator.authority.require(Action::DisableUser)?;
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&operator.authority, &mut tx, id).await?;
    tx.commit().await?;
    page(&Confirm {
        shell: operator.shell(OperatorTab::Users),
        title: format!("Disable {}?", found.user.email),
        intro: "This person comes in nowhere until somebody enables them again.".to_owned(),
        consequences: vec![
            "Every session ends, here and in the applications they are signed in to.".to_owned(),
            "Nodes refuse their access tokens within about a second, with 401.".to_owned(),
            "Their personal tokens are revoked for good.".to_owned(),
            "API keys of their tenants go on working: keys belong to tenants, not to people."
                .to_owned(),
        ],
        action: format!("/admin/users/{id}/disable"),
        button: "Disable person".to_owned(),
        is_danger: true,
        cancel_href: format!("/admin/users/{id}"),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

pub async fn disable_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    match super::disable(&operator.authority, &mut tx, id, now).await {
        Ok(user) => {
            tx.commit().await?;
            back(&operator, id, &format!("{} is disabled.", user.email)).await
        }
        Err(cause) => {
            drop(tx);
            refused(&app, &operator, id, cause, now).await
        }
    }
}

/// The person's page with why the step did not take place.
async fn refused(
    app: &App,
    operator: &Operator,
    id: UserId,
    cause: ActionError,
    now: Now,
) -> Answer {
    let errors = form_errors(cause)?;
    invalid(&detail(app, operator, id, errors, now).await?)
}

pub async fn enable_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let user = super::enable(&operator.authority, &mut tx, id, now).await?;
    tx.commit().await?;
    back(&operator, id, &format!("{} may come in again.", user.email)).await
}

pub async fn unlock_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    super::unlock(&operator.authority, &mut tx, id, now).await?;
    tx.commit().await?;
    back(&operator, id, "Sign-in pauses no more.").await
}

pub async fn reset_password_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    match super::reset_password(&app, &operator.authority, &mut tx, id, now).await {
        Ok(User { email, .. }) => {
            tx.commit().await?;
            app.mailer.wake();
            back(&operator, id, &format!("A code is on its way to {email}.")).await
        }
        Err(cause) => {
            drop(tx);
            refused(&app, &operator, id, cause, now).await
        }
    }
}

pub async fn sign_out_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let user = super::sign_out(&operator.authority, &mut tx, id, now).await?;
    tx.commit().await?;
    if user.id == operator.person.user {
        return go_to("/login");
    }
    back(&operator, id, &format!("{} is signed out.", user.email)).await
}

pub async fn reset_second_step_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    match super::reset_second_step(&app, &operator.authority, &mut tx, id, now).await {
        Ok(User { email, .. }) => {
            tx.commit().await?;
            app.mailer.wake();
            back(
                &operator,
                id,
                &format!("{email} signs in without a second step."),
            )
            .await
        }
        Err(cause) => {
            drop(tx);
            refused(&app, &operator, id, cause, now).await
        }
    }
}

/// Lines of a report that a page shows, those that were refused before others.
const LINES_SHOWN: usize = 200;

pub async fn show_import(operator: Operator) -> Answer {
    operator.authority.require(Action::ImportUsers)?;
    page(&import_page(&operator, ImportForm::default()))
}

fn import_page(operator: &Operator, form: ImportForm) -> ImportUsers {
    ImportUsers {
        shell: operator.shell(OperatorTab::Users),
        form,
        errors: FormErrors::default(),
        report: None,
    }
}

/// Shows what came of each line in place: there is no page to go on to.
pub async fn import_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<ImportForm>,
) -> Answer {
    operator.authority.require(Action::ImportUsers)?;
    let wrong = |text: &str| ImportUsers {
        errors: FormErrors::of("people", text),
        ..import_page(&operator, form.clone())
    };
    if form.people.len() > import::BYTES_MAX {
        return invalid(&wrong("This is more than 2 MiB: import it in parts."));
    }
    let lines = match import::from_text(&form.people) {
        Ok(lines) => lines,
        Err(problem) => {
            return invalid(&wrong(&format!(
                "Nothing was imported: {}.",
                problem.detail
            )));
        }
    };
    let mut tx = app.db.platform_tx().await?;
    let report = import::import(&operator.authority, &mut tx, lines, now).await?;
    tx.commit().await?;
    let form = match report.refused {
        0 => ImportForm::default(),
        // Sent again, what was taken exists already and changes nothing.
        _ => form,
    };
    page(&ImportUsers {
        report: Some(shown(report)),
        ..import_page(&operator, form)
    })
}

fn shown(mut report: Report) -> ImportReport {
    let summary = format!(
        "{} created, {} known before, {} refused.",
        report.created, report.existing, report.refused
    );
    report
        .lines
        .sort_by_key(|line| line.status != LineStatus::Refused);
    let more = report.lines.len().saturating_sub(LINES_SHOWN);
    report.lines.truncate(LINES_SHOWN);
    ImportReport {
        summary,
        tone: match report.refused {
            0 => Tone::Good,
            _ => Tone::Warning,
        },
        lines: report.lines.into_iter().map(line).collect(),
        more,
    }
}

fn line(report: LineReport) -> ImportLine {
    let errors = report.errors.iter().map(|error| {
        let field = error.pointer.trim_start_matches('/').replace('/', ".");
        match field.is_empty() {
            true => error.message.clone(),
            false => format!("{field}: {}", error.message),
        }
    });
    let badge = match (report.status, report.membership) {
        (LineStatus::Refused, _) => Badge::new(Tone::Danger, "Refused"),
        (LineStatus::Created, _) => Badge::new(Tone::Good, "Created"),
        (LineStatus::Exists, Some(MembershipStatus::Created)) => {
            Badge::new(Tone::Good, "Exists already, new member")
        }
        (LineStatus::Exists, _) => Badge::new(Tone::Neutral, "Exists already"),
    };
    ImportLine {
        number: report.line,
        email: report.email.unwrap_or_default(),
        badge,
        text: errors.collect::<Vec<_>>().join(" "),
    }
}
