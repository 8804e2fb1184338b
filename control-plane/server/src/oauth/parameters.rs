//! Parameters of a query or a form, each at most once (RFC 6749, sections 3.1 and 3.2).

use super::error::{Code, OauthError};

/// More of them, or longer ones, are no honest request.
const PARAMETERS_MAX: usize = 60;

/// Parsed, in order. Empty values count as absent (RFC 6749, section 3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Refuses a parameter that stands there twice: what was checked must be what is used.
    /// `resource` may be repeated (RFC 8707, section 2).
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, OauthError> {
        let invalid = |text| Err(OauthError::new(Code::InvalidRequest, text));
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if found.len() >= PARAMETERS_MAX {
                return invalid("there are too many parameters");
            }
            if name != "resource" && found.iter().any(|(other, _)| *other == name) {
                return invalid("a parameter is repeated");
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        if found.iter().any(|(_, value)| value.contains('\0')) {
            return invalid("a parameter holds a character that is not text");
        }
        found.retain(|(_, value)| !value.is_empty());
        Ok(Self(found))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn require(&self, name: &str, text: &'static str) -> Result<&str, OauthError> {
        self.get(name)
            .ok_or_else(|| OauthError::new(Code::InvalidRequest, text))
    }

    /// The same with one parameter set anew, or taken out.
    pub(crate) fn with(&self, name: &str, value: Option<String>) -> Self {
        let mut changed = self.clone();
        changed.0.retain(|(other, _)| other != name);
        changed
            .0
            .extend(value.map(|value| (name.to_owned(), value)));
        changed
    }

    pub(crate) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}

/// `url` with more parameters in its query, encoded.
pub(crate) fn with_query<'a>(
    url: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    if query.is_empty() {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused_and_an_empty_one_is_absent() {
        let parse = |text: &str| Parameters::parse(text.as_bytes());
        assert!(parse("a=1&b=2&a=1").is_err());
        assert!(parse("a=1&%61=2").is_err());
        assert!(parse("a=%00").is_err());
        let found = parse("a=&b=x+y%26&resource=1&resource=2").expect("parses");
        assert_eq!(found.get("a"), None);
        assert_eq!(found.get("b"), Some("x y&"));
        assert_eq!(found.all("resource").collect::<Vec<_>>(), ["1", "2"]);
        let changed = found.with("b", None).with("c", Some("&".into()));
        assert_eq!(changed.encode(), "resource=1&resource=2&c=%26");
        assert!(parse(&"a&".repeat(100)).is_err());
        let many: String = (0..100).map(|n| format!("p{n}=1&")).collect();
        assert!(parse(&many).is_err());
    }

    #[test]
    fn parameters_join_a_url_that_has_some() {
        assert_eq!(
            with_query("https://a/b", [("c", "d e")]),
            "https://a/b?c=d+e"
        );
        assert_eq!(with_query("app:/x?y=1", [("c", "&")]), "app:/x?y=1&c=%26");
        assert_eq!(with_query("https://a", []), "https://a");
    }
}
