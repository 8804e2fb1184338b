//! `/`: what Tollgate is.

use axum::Router;
use axum::routing::get;
use web::pages::landing::Landing;

use crate::app::App;
use crate::page::{Anonymous, Answer, page};

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/", get(show))
}

async fn show(visitor: Anonymous) -> Answer {
    page(&Landing {
        shell: visitor.shell(),
    })
}
