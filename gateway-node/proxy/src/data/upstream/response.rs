//! Reads the head of an upstream's answer, and what it says of the body (RFC 9112, sections 4 to
//! 6): strictly, so that no other reader on the way finds another end.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::chunked::Decoder;
use crate::data::headers;

/// Largest head of an answer; its fields are bounded with it.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
const FIELDS_MAX: usize = 128;

/// What an upstream sent is not HTTP with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::data) struct Malformed(pub(super) &'static str);

#[derive(Debug)]
pub(in crate::data) struct Head {
    pub(in crate::data) status: StatusCode,
    /// Without those that concern the connection only.
    pub(in crate::data) headers: HeaderMap,
    pub(super) framing: Framing,
    /// The connection may carry another request once the body has come.
    pub(super) is_persistent: bool,
}

/// Where the body ends.
#[derive(Debug)]
pub(super) enum Framing {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
}

impl Framing {
    pub(super) const EMPTY: Self = Framing::Length(0);
}

/// Takes a head off the input; none where it has not come whole.
pub(super) fn take(input: &mut BytesMut, method: &Method) -> Result<Option<Head>, Malformed> {
    let looked_at = &input[..input.len().min(HEAD_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(looked_at, b"\r\n\r\n") else {
        return match looked_at.len() {
            HEAD_BYTES_MAX => Err(Malformed("the answer's head is too large")),
            _ => could_be_http(looked_at).map(|()| None),
        };
    };
    parse(&input.split_to(end + 4).freeze(), method).map(Some)
}

/// Whether more bytes could still make a head of it.
fn could_be_http(begun: &[u8]) -> Result<(), Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        begun,
        &mut fields,
    );
    match parsed {
        Ok(httparse::Status::Partial) => Ok(()),
        // With line ends that are none by the letter.
        Ok(httparse::Status::Complete(_)) => Err(Malformed("lines end without a carriage return")),
        Err(_) => Err(Malformed("the answer's head is not HTTP")),
    }
}

fn parse(bytes: &Bytes, method: &Method) -> Result<Head, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut fields,
    );
    // A head that ends before the bytes do had an empty line in the middle.
    if parsed != Ok(httparse::Status::Complete(bytes.len())) {
        return Err(Malformed("the answer's head is not HTTP"));
    }
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Err(Malformed("the answer's head is not HTTP"));
    };
    let status = StatusCode::from_u16(code)
        .ok()
        .filter(|status| status.as_u16() < 600)
        .ok_or(Malformed("the answer's status is not one of HTTP"))?;
    let mut said = Said::default();
    let mut headers = HeaderMap::with_capacity(response.headers.len() + ROOM_FOR_OURS);
    for field in response.headers.iter() {
        said.note(field.name, field.value)?;
        add(&mut headers, bytes, field)?;
    }
    for name in &said.listed_by_connection {
        headers.remove(name);
    }
    let framing = said.framing(method, status, version)?;
    Ok(Head {
        status,
        headers,
        is_persistent: version == 1 && !said.closes && !matches!(framing, Framing::UntilClose),
        framing,
    })
}

/// Fields that the node adds to an answer.
const ROOM_FOR_OURS: usize = 6;

fn add(
    headers: &mut HeaderMap,
    bytes: &Bytes,
    field: &httparse::Header<'_>,
) -> Result<(), Malformed> {
    let name = HeaderName::from_bytes(field.name.as_bytes())
        .map_err(|_| Malformed("a field's name is not one of HTTP"))?;
    if headers::is_hop_by_hop(name.as_str()) {
        return Ok(());
    }
    let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
        .map_err(|_| Malformed("a field's value is not one of HTTP"))?;
    headers.append(name, value);
    Ok(())
}

/// Fields alone, with the empty line that ends them.
pub(super) fn fields(bytes: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut parsed = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let Ok(httparse::Status::Complete((end, parsed))) = httparse::parse_headers(bytes, &mut parsed)
    else {
        return Err(Malformed("trailers are not HTTP"));
    };
    if end != bytes.len() {
        return Err(Malformed("trailers are not HTTP"));
    }
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed.iter() {
        add(&mut fields, bytes, field)?;
    }
    Ok(fields)
}

/// What the fields say of body and connection.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    codings: u32,
    is_chunked: bool,
    closes: bool,
    listed_by_connection: Vec<HeaderName>,
}

impl Said {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Malformed> {
        // Nearly every name is of another length.
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => self.note_connection(value),
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = length(value).ok_or(Malformed("the length is not a number"))?;
                if self.length.replace(length).is_some_and(|it| it != length) {
                    return Err(Malformed("two lengths"));
                }
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                self.codings += 1;
                self.is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.closes |= option.eq_ignore_ascii_case(b"close");
            if let Ok(name) = HeaderName::from_bytes(option)
                && !headers::is_end_to_end(name.as_str())
                && !headers::is_hop_by_hop(name.as_str())
                && name != "close"
            {
                self.listed_by_connection.push(name);
            }
        }
    }

    /// RFC 9112, section 6.3.
    fn framing(
        &self,
        method: &Method,
        status: StatusCode,
        version: u8,
    ) -> Result<Framing, Malformed> {
        let has_no_body = method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match (self.codings, self.length) {
            (0, _) if has_no_body => Ok(Framing::EMPTY),
            (0, Some(length)) => Ok(Framing::Length(length)),
            (0, None) => Ok(Framing::UntilClose),
            (_, Some(_)) => Err(Malformed("both a length and a coding")),
            // Below another coding the body would still be coded, with nothing left to say so.
            (1, None) if self.is_chunked && version == 1 => Ok(if has_no_body {
                Framing::EMPTY
            } else {
                Framing::Chunked(Decoder::default())
            }),
            _ => Err(Malformed("a transfer coding that is not understood")),
        }
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, method: &Method) -> Result<Option<Head>, Malformed> {
        take(&mut BytesMut::from(text), method)
    }

    #[track_caller]
    fn check(fields: &str, expected: &str) {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let found = match read(&text, &Method::GET) {
            Ok(Some(head)) => format!("{:?} {}", head.framing, head.is_persistent),
            Ok(None) => "more".into(),
            Err(Malformed(what)) => what.into(),
        };
        assert!(found.starts_with(expected), "{fields:?}: {found}");
    }

    #[test]
    fn the_end_of_a_body_has_one_reading() {
        check("", "UntilClose false");
        check("content-length: 3\r\n", "Length(3) true");
        check(
            "content-length: 3\r\nContent-Length: 3\r\n",
            "Length(3) true",
        );
        check("content-length: 3\r\ncontent-length: 4\r\n", "two lengths");
        check("content-length: 3, 3\r\n", "the length is not a number");
        check("content-length: +3\r\n", "the length is not a number");
        check("content-length:\r\n", "the length is not a number");
        check(
            "content-length: 18446744073709551616\r\n",
            "the length is not",
        );
        check("transfer-encoding: chunked\r\n", "Chunked");
        check(
            "transfer-encoding: Chunked \r\nconnection: close\r\n",
            "Chunked",
        );
        check(
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
            "both",
        );
        check("transfer-encoding: gzip, chunked\r\n", "a transfer coding");
        check("transfer-encoding: xchunked\r\n", "a transfer coding");
        check(
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "a transfer coding",
        );
        check(
            "content-length: 0\r\nconnection: keep-alive, CLOSE\r\n",
            "Length(0) false",
        );
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say() {
        for (status, method) in [(204, Method::GET), (304, Method::GET), (200, Method::HEAD)] {
            let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 9\r\n\r\n");
            let head = read(&text, &method).expect("HTTP").expect("whole");
            assert!(matches!(head.framing, Framing::Length(0)), "{status}");
            assert!(head.is_persistent);
            assert_eq!(head.headers["content-length"], "9");
        }
    }

    #[test]
    fn what_concerned_the_connection_only_is_left_out() {
        let fields = "Connection: keep-alive, X-Once\r\nKeep-Alive: timeout=5\r\nx-once: 1\r\n\
                      Upgrade: h2c\r\nX-Stays: a\r\nX-Stays: b\r\ncontent-length: 0\r\n";
        let head = read(&format!("HTTP/1.1 200\r\n{fields}\r\n"), &Method::GET);
        let headers = head.expect("HTTP").expect("whole").headers;
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "x-stays"]);
        assert_eq!(headers.get_all("x-stays").iter().count(), 2);
    }

    #[test]
    fn what_can_become_no_head_is_told_at_once() {
        let none = |text: &str| matches!(read(text, &Method::GET), Ok(None));
        assert!(none(""));
        assert!(none("HTTP/1.1 200 OK\r\ncontent-le"));
        for text in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
            "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
            "HTTP/1.1 999 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\nx\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
        ] {
            assert!(read(text, &Method::GET).is_err(), "{text:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(HEAD_BYTES_MAX));
        assert!(read(&endless, &Method::GET).is_err());
    }

    #[test]
    fn bytes_behind_the_head_stay_in_the_input() {
        let mut input = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let head = take(&mut input, &Method::GET).expect("HTTP");
        assert!(head.is_some());
        assert_eq!(input, "ok");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = take(&mut BytesMut::from(&bytes[..]), &Method::GET);
            let text = [b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat();
            let _ = take(&mut BytesMut::from(&text[..]), &Method::GET);
        }
    }
}
