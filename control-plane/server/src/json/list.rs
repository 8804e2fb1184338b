//! Lists: a page at a time, with an opaque cursor to the next.

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::{FieldProblem, Problem};

const LIMIT_DEFAULT: u32 = 50;
pub const LIMIT_MAX: u32 = 200;

/// Where a list goes on, and how much of it is wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next_cursor` of the page before; none: the first page.
    pub cursor: Option<String>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// A [`PageQuery`] that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    pub after: Option<Uuid>,
    pub limit: u32,
}

impl PageQuery {
    pub(crate) fn parse(&self) -> Result<Paging, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("ask for 1 to {LIMIT_MAX} items");
            return Err(refused("limit", "out_of_range", message));
        }
        let after = self.cursor.as_deref().map(read_cursor).transpose()?;
        Ok(Paging { after, limit })
    }
}

impl Paging {
    /// The last id of the page before, as the type that the list is of.
    pub(crate) fn after<Id: From<Uuid>>(self) -> Option<Id> {
        self.after.map(Id::from)
    }

    /// What to ask the store for: one more than is shown tells whether there is a next page.
    pub(crate) fn fetch(self) -> u32 {
        self.limit + 1
    }
}

/// The cursor after the item with this id.
pub fn cursor(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// The id that a cursor goes on after.
pub fn read_cursor(text: &str) -> Result<Uuid, Problem> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or_else(|| {
            let message = "send next_cursor of the page before, unchanged".to_owned();
            refused("cursor", "invalid", message)
        })
}

fn refused(parameter: &str, code: &str, message: String) -> Problem {
    let mut problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid",
        "the query is not valid",
    );
    problem.errors.push(FieldProblem {
        pointer: format!("/{parameter}"),
        code: code.to_owned(),
        message,
    });
    problem
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    pub items: Vec<T>,
    /// Pass as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// From what [`Paging::fetch`] brought, in order.
    pub(crate) fn new<Row>(
        mut rows: Vec<Row>,
        paging: Paging,
        id: impl Fn(&Row) -> Uuid,
        show: impl FnMut(Row) -> T,
    ) -> Self {
        let shown = paging.limit as usize;
        let has_more = rows.len() > shown;
        rows.truncate(shown);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| cursor(id(row)));
        Self {
            items: rows.into_iter().map(show).collect(),
            next_cursor,
        }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_has_no_cursor() {
        let paging = Paging {
            after: None,
            limit: 2,
        };
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let page = Listed::new(ids.clone(), paging, |id| *id, |id| id);
        assert_eq!(page.items, ids[..2]);
        let next = page.next_cursor.expect("there is a third");
        assert_eq!(read_cursor(&next).expect("its own form"), ids[1]);
        let last = Listed::new(ids[2..].to_vec(), paging, |id| *id, |id| id);
        assert_eq!(last.next_cursor, None);
    }

    #[test]
    fn limits_have_both_edges() {
        for (limit, is_good) in [(0, false), (1, true), (200, true), (201, false)] {
            let query = PageQuery {
                limit: Some(limit),
                cursor: None,
            };
            assert_eq!(query.parse().is_ok(), is_good, "{limit}");
        }
    }
}
