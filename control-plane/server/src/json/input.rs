//! What a call brings along: ids in the path, queries, bodies, preconditions. What cannot be read
//! is refused with a problem that says where.

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Caller;
use crate::app::App;
use crate::problem::{FieldProblem, Problem};

/// No body of the API is larger.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Ids of the path. One that cannot be read names nothing that exists.
#[derive(Debug)]
pub(crate) struct At<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, app).await;
        path.map(|Path(ids)| At(ids))
            .map_err(|_| Problem::not_found("resource"))
    }
}

/// The query; the type refuses parameters that it does not know.
#[derive(Debug)]
pub(crate) struct Search<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Search<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|cause| {
                let mut problem = invalid("the query is not valid");
                problem.errors.push(FieldProblem {
                    pointer: String::new(),
                    code: "invalid".to_owned(),
                    message: cause.body_text(),
                });
                problem
            })
    }
}

/// A JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces.
#[derive(Debug)]
pub(crate) struct Patch(Value);

impl Patch {
    /// Takes a field out that is not part of the resource, such as how far a change reaches.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>, Problem> {
        let Some(value) = self.0.as_object_mut().and_then(|body| body.remove(field)) else {
            return Ok(None);
        };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|cause| wrong_field(format!("/{field}"), &cause))
    }

    /// The input that results when the present state is patched.
    pub(crate) fn apply<T: Serialize + DeserializeOwned>(self, present: &T) -> Result<T, Problem> {
        let mut target =
            serde_json::to_value(present).map_err(|cause| Problem::internal(&cause))?;
        merge(&mut target, self.0);
        from_value(target)
    }
}

/// A PATCH: who edits, what they have seen, what is to change.
#[derive(Debug)]
pub(crate) struct Edit {
    pub caller: Caller,
    pub seen: IfMatch,
    pub patch: Patch,
}

impl FromRequest<App> for Edit {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        // Before the body: what strangers send is not read.
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let seen = IfMatch::from_request_parts(&mut parts, app).await?;
        let accepted = ["application/merge-patch+json", "application/json"];
        expect_json(&parts.headers, &accepted)?;
        let patch: Value = parse(&read(body, BODY_BYTES_MAX).await?)?;
        if !patch.is_object() {
            return Err(invalid("a patch is an object of the fields to change"));
        }
        Ok(Self {
            caller,
            seen,
            patch: Patch(patch),
        })
    }
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    target.remove(&name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (target, Value::Object(patch)) => {
            *target = Value::Object(serde_json::Map::new());
            merge(target, Value::Object(patch));
        }
        (target, patch) => *target = patch,
    }
}

/// `If-Match`: the edition that the caller has seen. Without it the latest edit wins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IfMatch(Option<Seen>);

#[derive(Debug, Clone, Copy)]
enum Seen {
    Edition(i32),
    /// A tag that was never given out.
    Unknown,
}

impl IfMatch {
    /// Refuses the call where the caller has seen something else than what is there now.
    pub(crate) fn check(self, present: i32) -> Result<(), Problem> {
        match self.0 {
            None => Ok(()),
            Some(Seen::Edition(seen)) if seen == present => Ok(()),
            Some(_) => Err(crate::action::ActionError::EditedMeanwhile.into()),
        }
    }
}

impl IfMatch {
    /// The edition that the caller has seen, for actions that compare it themselves.
    pub(crate) fn edition(self) -> Result<Option<i32>, Problem> {
        match self.0 {
            None => Ok(None),
            Some(Seen::Edition(edition)) => Ok(Some(edition)),
            Some(Seen::Unknown) => Err(crate::action::ActionError::EditedMeanwhile.into()),
        }
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        let tag = value.to_str().unwrap_or_default().trim();
        if tag == "*" {
            return Ok(Self(None));
        }
        let edition = tag
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|edition| edition.parse().ok());
        Ok(Self(Some(edition.map_or(Seen::Unknown, Seen::Edition))))
    }
}

pub(crate) fn expect_json(headers: &HeaderMap, accepted: &[&'static str]) -> Result<(), Problem> {
    let found = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim());
    if found.is_some_and(|found| accepted.iter().any(|one| one.eq_ignore_ascii_case(found))) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("send the body as {}", accepted.join(" or ")),
    ))
}

pub(super) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("a body has at most {bytes_max} bytes"),
        )
    })
}

/// Reads a JSON text; what is not valid is named by its place.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|cause| {
        let pointer = pointer(cause.path());
        let cause = cause.into_inner();
        match cause.classify() {
            serde_json::error::Category::Data => wrong_field(pointer, &cause),
            _ => malformed(&cause),
        }
    })?;
    reader.end().map_err(|cause| malformed(&cause))?;
    Ok(parsed)
}

/// What a JSON value says.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|cause| {
        let pointer = pointer(cause.path());
        wrong_field(pointer, &cause.into_inner())
    })
}

fn malformed(cause: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        format!("the body is not JSON: {cause}"),
    )
}

fn wrong_field(pointer: String, cause: &serde_json::Error) -> Problem {
    let text = cause.to_string();
    // The reader appends " at line 1 column 7", which says less than the pointer.
    let message = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let code = if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("missing field") {
        "required"
    } else {
        "invalid"
    };
    let mut problem = invalid("some fields are not valid; errors names each of them");
    problem.errors.push(FieldProblem {
        pointer,
        code: code.to_owned(),
        message,
    });
    problem
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
}

/// As an RFC 6901 pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => pointer.push_str("/?"),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        weight: u32,
    }

    #[track_caller]
    fn check(body: &str, status: u16, error: Option<(&str, &str)>) {
        let problem = parse::<Outer>(body.as_bytes()).expect_err(body);
        assert_eq!(problem.status().as_u16(), status, "{body}");
        let found = problem.errors.first();
        let found = found.map(|one| (one.pointer.as_str(), one.code.as_str()));
        assert_eq!(found, error, "{body}");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        check("{", 400, None);
        check("{\"name\":\"a\"} x", 400, None);
        check("{}", 422, Some(("", "required")));
        check(
            r#"{"name":"a","nam":1}"#,
            422,
            Some(("/nam", "unknown_field")),
        );
        check(
            r#"{"name":"a","inner":[{"weight":1},{"weight":-1}]}"#,
            422,
            Some(("/inner/1/weight", "invalid")),
        );
    }

    #[test]
    fn a_patch_merges_objects_and_null_removes() {
        let present = Outer {
            name: "a".to_owned(),
            inner: vec![Inner { weight: 1 }],
        };
        let patched = Patch(json!({"name": "b", "inner": null}))
            .apply(&present)
            .expect("a valid patch");
        let expected = Outer {
            name: "b".to_owned(),
            inner: Vec::new(),
        };
        assert_eq!(patched, expected);
        let refused = Patch(json!({"id": "x"})).apply(&present);
        let problem = refused.expect_err("ids are not patched");
        assert_eq!(problem.errors[0].pointer, "/id");
    }
}
