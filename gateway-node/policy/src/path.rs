//! One normal form of a request path (RFC 3986, section 6.2.2), so that the route that was matched,
//! the policy that was applied and the path that the upstream gets can never disagree. What servers
//! are known to read in two ways is refused instead of being repaired.

use std::borrow::Cow;

/// Why a path has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    #[error("the path does not start with a slash")]
    NotAbsolute,
    #[error("the path has a percent sign without two hexadecimal digits")]
    BadEscape,
    #[error("the path has a control, a space, a fragment, a query or a character outside ASCII")]
    BadCharacter,
    #[error("the path has a backslash")]
    Backslash,
    #[error("the path has an encoded slash")]
    EncodedSlash,
    #[error("the path has a NUL")]
    Nul,
    #[error("the path has an empty segment")]
    EmptySegment,
    #[error("the path climbs above its root")]
    AboveRoot,
    #[error("the path has a dot segment with a parameter")]
    DotParameter,
}

impl BadPath {
    /// Stable, for logs and problem details.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::BadEscape => "path_bad_escape",
            Self::BadCharacter => "path_bad_character",
            Self::Backslash => "path_backslash",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Nul => "path_nul",
            Self::EmptySegment => "path_empty_segment",
            Self::AboveRoot => "path_above_root",
            Self::DotParameter => "path_dot_parameter",
        }
    }
}

/// The normal form of a path without its query: dot segments removed (written as `%2e` too),
/// unreserved characters plain, every other escape kept in upper case, and what RFC 3986 does not
/// allow in a path but browsers send plainly (`|`, `[`, `"` …) escaped. A slash at the end stays and
/// counts. Borrowed when the path is normal already: one pass, no allocation.
///
/// Refused: see [`BadPath`]. `;` stays where it is; only `.;…` and `..;…`, which some servers read as
/// dot segments, are refused.
pub fn normalise(raw: &str) -> Result<Cow<'_, str>, BadPath> {
    if is_normal(raw.as_bytes()) {
        Ok(Cow::Borrowed(raw))
    } else {
        rebuild(raw).map(Cow::Owned)
    }
}

/// May say no of a normal path (`/..a`), never yes of another one.
fn is_normal(path: &[u8]) -> bool {
    let Some((b'/', mut rest)) = path.split_first() else {
        return false;
    };
    let mut is_segment_start = true;
    loop {
        rest = match rest {
            [] => return true,
            [b'/', ..] | [b'.'] | [b'.', b'/' | b'.' | b';' | b'%', ..] if is_segment_start => {
                return false;
            }
            [b'/', tail @ ..] => {
                is_segment_start = true;
                rest = tail;
                continue;
            }
            [b'%', high, low, tail @ ..] => match unescape(*high, *low) {
                Some(byte)
                    if is_kept_escaped(byte)
                        && !high.is_ascii_lowercase()
                        && !low.is_ascii_lowercase() =>
                {
                    tail
                }
                _ => return false,
            },
            [byte, tail @ ..] if is_plain(*byte) => tail,
            _ => return false,
        };
        is_segment_start = false;
    }
}

fn rebuild(raw: &str) -> Result<String, BadPath> {
    let below_root = raw.strip_prefix('/').ok_or(BadPath::NotAbsolute)?;
    let mut path = String::with_capacity(raw.len());
    let mut segments = below_root.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let start = path.len();
        path.push('/');
        push_segment(&mut path, segment.as_bytes())?;
        match path.get(start + 1..).unwrap_or_default() {
            "" if !is_last => return Err(BadPath::EmptySegment),
            "." => path.truncate(start),
            ".." => {
                path.truncate(start);
                let parent = path.rfind('/').ok_or(BadPath::AboveRoot)?;
                path.truncate(parent);
            }
            segment if has_dot_parameter(segment) => return Err(BadPath::DotParameter),
            _ => continue,
        }
        // What is left after a dot segment is a folder: `/a/b/..` is `/a/`.
        if is_last {
            path.push('/');
        }
    }
    Ok(path)
}

fn push_segment(path: &mut String, mut rest: &[u8]) -> Result<(), BadPath> {
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'%', high, low, tail @ ..] => {
                let byte = unescape(*high, *low).ok_or(BadPath::BadEscape)?;
                match byte {
                    0 => return Err(BadPath::Nul),
                    b'/' => return Err(BadPath::EncodedSlash),
                    b'\\' => return Err(BadPath::Backslash),
                    byte if is_unreserved(byte) => path.push(char::from(byte)),
                    byte => push_escaped(path, byte),
                }
                tail
            }
            [b'%', ..] => return Err(BadPath::BadEscape),
            [0, ..] => return Err(BadPath::Nul),
            [b'\\', ..] => return Err(BadPath::Backslash),
            [byte, tail @ ..] if is_plain(*byte) => {
                path.push(char::from(*byte));
                tail
            }
            [
                byte @ (b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}'),
                tail @ ..,
            ] => {
                push_escaped(path, *byte);
                tail
            }
            _ => return Err(BadPath::BadCharacter),
        };
    }
}

fn push_escaped(path: &mut String, byte: u8) {
    path.push('%');
    for nibble in [byte >> 4, byte & 15] {
        path.push(char::from(match nibble {
            0..=9 => b'0' + nibble,
            _ => b'A' + (nibble - 10),
        }));
    }
}

/// `..;x` is `..` to servers that strip path parameters before they resolve dot segments; an
/// escaped `;` is as good as a plain one to those that decode first.
fn has_dot_parameter(segment: &str) -> bool {
    ["..", "."]
        .iter()
        .filter_map(|dots| segment.strip_prefix(dots))
        .any(|rest| rest.starts_with(';') || rest.starts_with("%3B"))
}

/// unreserved of RFC 3986, section 2.3: the same with and without escape.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// pchar of RFC 3986, section 3.3, but the percent sign.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

fn is_kept_escaped(byte: u8) -> bool {
    !is_unreserved(byte) && !matches!(byte, 0 | b'/' | b'\\')
}

fn unescape(high: u8, low: u8) -> Option<u8> {
    Some(hex(high)? << 4 | hex(low)?)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, BadPath>) {
        assert_eq!(
            normalise(raw).as_deref(),
            expected.as_ref().copied(),
            "{raw:?}"
        );
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        for raw in [
            "/",
            "/a",
            "/a/",
            "/v1/orders/42",
            "/a;b=c/d",
            "/%20/%C3%A9",
            "/a@b:c!$&'()*+,=~",
            "/%252e%252e/",
            "/.well-known/a",
        ] {
            assert!(
                matches!(normalise(raw), Ok(Cow::Borrowed(same)) if same == raw),
                "{raw}"
            );
        }
    }

    #[test]
    fn spellings_of_one_path_have_one_form() {
        for (raw, expected) in [
            ("/%61%2D%2e%5f%7Eb", "/a-._~b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%3b%3a%40", "/%3B%3A%40"),
            ("/a|b[c]\"<>^`{}", "/a%7Cb%5Bc%5D%22%3C%3E%5E%60%7B%7D"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/.", "/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a/../b", "/b"),
            ("/a/b/../../c/", "/c/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/%2e./b/%2E/", "/b/"),
            ("/..a/.../...;x", "/..a/.../...;x"),
        ] {
            check(raw, Ok(expected));
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_refused() {
        for (raw, expected) in [
            ("", BadPath::NotAbsolute),
            ("*", BadPath::NotAbsolute),
            ("a/b", BadPath::NotAbsolute),
            ("http://a/b", BadPath::NotAbsolute),
            ("/%", BadPath::BadEscape),
            ("/%4", BadPath::BadEscape),
            ("/%4/a", BadPath::BadEscape),
            ("/%zz", BadPath::BadEscape),
            ("/%u002e", BadPath::BadEscape),
            ("/a b", BadPath::BadCharacter),
            ("/a\tb", BadPath::BadCharacter),
            ("/a\r\nb", BadPath::BadCharacter),
            ("/a\x7f", BadPath::BadCharacter),
            ("/é", BadPath::BadCharacter),
            ("/a?b", BadPath::BadCharacter),
            ("/a#b", BadPath::BadCharacter),
            ("/a\\b", BadPath::Backslash),
            ("/a%5cb", BadPath::Backslash),
            ("/a%5Cb", BadPath::Backslash),
            ("/a%2fb", BadPath::EncodedSlash),
            ("/a%2Fb", BadPath::EncodedSlash),
            ("/a\0", BadPath::Nul),
            ("/a%00", BadPath::Nul),
            ("//", BadPath::EmptySegment),
            ("//a", BadPath::EmptySegment),
            ("/a//b", BadPath::EmptySegment),
            ("/a//", BadPath::EmptySegment),
            ("/a//../b", BadPath::EmptySegment),
            ("/..", BadPath::AboveRoot),
            ("/../a", BadPath::AboveRoot),
            ("/a/../../b", BadPath::AboveRoot),
            ("/%2e%2e/a", BadPath::AboveRoot),
            ("/a/..;/b", BadPath::DotParameter),
            ("/a/..;x=y/b", BadPath::DotParameter),
            ("/a/.;/b", BadPath::DotParameter),
            ("/a/%2e%2e;/b", BadPath::DotParameter),
            ("/a/..%3b/b", BadPath::DotParameter),
        ] {
            check(raw, Err(expected));
        }
    }

    /// Made of the pieces that matter, so that most cases are not refused at their first byte.
    fn paths() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "[a-zA-Z0-9_~!$&;=:@-]{1,3}",
            4 => Just("/".to_owned()),
            2 => prop_oneof![Just("."), Just(".."), Just("%2e"), Just("%2E%2e"), Just("/../"), Just("/./")].prop_map(str::to_owned),
            3 => "%[2-7a-fA-F][0-9a-fA-F]",
            1 => "[|\\[\\]{}^\"<>]",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn the_normal_form_is_a_fixed_point(raw in paths()) {
            if let Ok(once) = normalise(&raw) {
                prop_assert_eq!(normalise(&once), Ok(Cow::Borrowed(&*once)));
                prop_assert_eq!(rebuild(&once), Ok(once.into_owned()));
            }
        }

        #[test]
        fn the_quick_look_agrees_with_the_full_one(raw in "/[a-c./%25;]{0,8}|/\\PC{0,12}") {
            if is_normal(raw.as_bytes()) {
                let rebuilt = rebuild(&raw);
                prop_assert_eq!(rebuilt.as_deref(), Ok(&*raw));
            }
        }

        #[test]
        fn nothing_ambiguous_is_left(raw in prop_oneof![paths(), "/\\PC{0,24}", ".{0,24}"]) {
            if let Ok(path) = normalise(&raw) {
                prop_assert!(path.starts_with('/') && path.is_ascii());
                for bad in ["//", "/../", "/./", "\\", "%2F", "%2f", "%5C", "%5c", "%00", "/..;", "/.;"] {
                    prop_assert!(!path.contains(bad), "{} in {}", bad, path);
                }
                prop_assert!(!path.ends_with("/..") && !path.ends_with("/."));
            }
        }

        #[test]
        fn escaping_unreserved_characters_changes_nothing(path in paths(), mask in any::<u64>()) {
            let mut is_after_percent = 0;
            let escaped: String = path.bytes().enumerate().map(|(place, byte)| {
                let is_digit_of_escape = is_after_percent > 0;
                is_after_percent = if byte == b'%' { 2 } else { i32::max(0, is_after_percent - 1) };
                if is_unreserved(byte) && !is_digit_of_escape && mask >> (place % 64) & 1 == 1 {
                    format!("%{byte:02x}")
                } else {
                    char::from(byte).to_string()
                }
            }).collect();
            prop_assert_eq!(normalise(&escaped), normalise(&path));
        }
    }
}
