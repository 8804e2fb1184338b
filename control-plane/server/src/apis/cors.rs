//! CORS settings in JSON, of APIs and of routes.

use domain::FieldError;
use domain::api::Cors;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answers to browsers that ask from other origins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Cors)]
pub(crate) struct CorsInput {
    /// `*`, or exact origins.
    #[schema(example = json!(["https://app.example.com"]))]
    pub allow_origins: Vec<String>,
    /// None: the methods of the route.
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    /// Only with exact origins.
    pub allow_credentials: bool,
    /// How long browsers remember a preflight, in seconds.
    pub max_age_seconds: u32,
}

impl CorsInput {
    pub(crate) fn parse(self) -> Result<Cors, FieldError> {
        Cors {
            allow_origins: self.allow_origins,
            allow_methods: self.allow_methods,
            allow_headers: self.allow_headers,
            expose_headers: self.expose_headers,
            allow_credentials: self.allow_credentials,
            max_age_seconds: self.max_age_seconds,
        }
        .parse()
    }

    pub(crate) fn of(cors: &Cors) -> Self {
        let cors = cors.clone();
        Self {
            allow_origins: cors.allow_origins,
            allow_methods: cors.allow_methods,
            allow_headers: cors.allow_headers,
            expose_headers: cors.expose_headers,
            allow_credentials: cors.allow_credentials,
            max_age_seconds: cors.max_age_seconds,
        }
    }
}
