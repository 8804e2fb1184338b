//! `/admin/users` and `/admin/users/{user}/…`.

use serde::Deserialize;

use super::optional;

/// The query of `/admin/users`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UserQuery {
    /// The start of an address or a name, or an id.
    pub q: String,
    pub cursor: String,
}

impl UserQuery {
    #[must_use]
    pub fn search(&self) -> Option<String> {
        optional(&self.q)
    }

    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        optional(&self.cursor)
    }
}

/// `/admin/users/new`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewUserForm {
    pub email: String,
    pub name: String,
    /// Empty: they set one themselves.
    pub password: String,
}

/// `/admin/users/import`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ImportForm {
    /// CSV with a first line of names, or a JSON object on each line.
    pub people: String,
}
