//! Path templates of routes.

use std::fmt;

use crate::path::{self, BadPath};

/// Deeper templates are refused: matching recurses once per segment of a template.
const SEGMENTS_MAX: usize = 64;

/// A path with parameters, below an API's base path: `/v1/orders/{id}`, greedy at the end:
/// `/files/{rest+}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// In normal form. Empty only at the end: `/orders/` is another path than `/orders`.
    Literal(String),
    /// `{name}`: one segment that is not empty.
    Param(String),
    /// `{name+}`: all remaining segments, the first of which is not empty. Always last.
    Rest(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the template does not start with a slash")]
    NotAbsolute,
    #[error("the template has more than {SEGMENTS_MAX} segments")]
    TooDeep,
    #[error("the segment `{0}` is neither plain text nor one parameter")]
    Parameter(String),
    #[error("two parameters are named `{0}`")]
    RepeatedName(String),
    #[error("the greedy parameter `{0}` is not the last segment")]
    GreedyInside(String),
    #[error("the segment `{segment}` can never match: {reason}")]
    NeverMatches { segment: String, reason: BadPath },
    #[error("a dot segment can never match")]
    DotSegment,
}

impl Template {
    /// Literals are brought to normal form, so that they compare equal to request paths. Fails on
    /// what no request path could match.
    pub fn parse(raw: &str) -> Result<Self, TemplateError> {
        let below_root = raw.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
        let mut segments = Vec::new();
        let mut texts = below_root.split('/').peekable();
        while let Some(text) = texts.next() {
            if segments.len() == SEGMENTS_MAX {
                return Err(TemplateError::TooDeep);
            }
            let segment = Segment::parse(text)?;
            match &segment {
                Segment::Literal(literal) if literal.is_empty() && texts.peek().is_some() => {
                    return Err(TemplateError::NeverMatches {
                        segment: String::new(),
                        reason: BadPath::EmptySegment,
                    });
                }
                Segment::Rest(name) if texts.peek().is_some() => {
                    return Err(TemplateError::GreedyInside(name.clone()));
                }
                Segment::Param(name) | Segment::Rest(name)
                    if names(&segments).any(|n| n == name) =>
                {
                    return Err(TemplateError::RepeatedName(name.clone()));
                }
                _ => segments.push(segment),
            }
        }
        Ok(Self { segments })
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(literal) => write!(f, "/{literal}"),
            Segment::Param(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{{name}+}}"),
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains(['{', '}']) {
            let inner = text
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'))
                .unwrap_or_default();
            let greedy = inner.strip_suffix('+');
            let name = greedy.unwrap_or(inner);
            if !is_parameter_name(name) {
                return Err(TemplateError::Parameter(text.to_owned()));
            }
            return Ok(match greedy {
                Some(name) => Self::Rest(name.to_owned()),
                None => Self::Param(name.to_owned()),
            });
        }
        let absolute = format!("/{text}");
        let normal = path::normalise(&absolute).map_err(|reason| TemplateError::NeverMatches {
            segment: text.to_owned(),
            reason,
        })?;
        match normal.strip_prefix('/').unwrap_or_default() {
            "" if !text.is_empty() => Err(TemplateError::DotSegment),
            literal => Ok(Self::Literal(literal.to_owned())),
        }
    }
}

fn names(segments: &[Segment]) -> impl Iterator<Item = &String> {
    segments.iter().filter_map(|segment| match segment {
        Segment::Literal(_) => None,
        Segment::Param(name) | Segment::Rest(name) => Some(name),
    })
}

fn is_parameter_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, &TemplateError>) {
        let template = Template::parse(raw).map(|template| template.to_string());
        assert_eq!(template.as_ref().map(String::as_str), expected, "{raw}");
    }

    #[test]
    fn templates_come_out_in_normal_form() {
        for (raw, expected) in [
            ("/", "/"),
            ("/v1/orders/{id}", "/v1/orders/{id}"),
            ("/files/{rest+}", "/files/{rest+}"),
            ("/{proxy+}", "/{proxy+}"),
            ("/a/", "/a/"),
            ("/{a}/", "/{a}/"),
            ("/%7euser/caf%c3%a9/a|b", "/~user/caf%C3%A9/a%7Cb"),
        ] {
            check(raw, Ok(expected));
        }
    }

    #[test]
    fn a_template_that_could_never_match_is_refused() {
        let parameter = |text: &str| TemplateError::Parameter(text.to_owned());
        let never = |segment: &str, reason| TemplateError::NeverMatches {
            segment: segment.to_owned(),
            reason,
        };
        for (raw, expected) in [
            ("", TemplateError::NotAbsolute),
            ("v1", TemplateError::NotAbsolute),
            ("/a//b", never("", BadPath::EmptySegment)),
            ("/a//", never("", BadPath::EmptySegment)),
            ("/a/../b", never("..", BadPath::AboveRoot)),
            ("/a/%2e/b", TemplateError::DotSegment),
            ("/a%2Fb", never("a%2Fb", BadPath::EncodedSlash)),
            ("/a?b", never("a?b", BadPath::BadCharacter)),
            ("/{}", parameter("{}")),
            ("/{+}", parameter("{+}")),
            ("/{a b}", parameter("{a b}")),
            ("/{a", parameter("{a")),
            ("/x{a}", parameter("x{a}")),
            ("/{a}{b}", parameter("{a}{b}")),
            ("/{a}/{a}", TemplateError::RepeatedName("a".to_owned())),
            ("/{a}/{a+}", TemplateError::RepeatedName("a".to_owned())),
            ("/{a+}/b", TemplateError::GreedyInside("a".to_owned())),
            ("/{a+}/", TemplateError::GreedyInside("a".to_owned())),
        ] {
            check(raw, Err(&expected));
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(Template::parse(&"/a".repeat(SEGMENTS_MAX)).is_ok());
        check(&"/a".repeat(SEGMENTS_MAX + 1), Err(&TemplateError::TooDeep));
    }
}
