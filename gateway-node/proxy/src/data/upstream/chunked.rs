//! Takes the chunked coding off (RFC 9112, section 7.1), by the letter: what another reader could
//! take for something else is an error.

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;

use super::response::{Malformed, fields};

/// A chunk's size with its extensions, which mean nothing here.
const SIZE_LINE_BYTES_MAX: usize = 1024;
const TRAILERS_BYTES_MAX: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data {
        left: u64,
    },
    /// The line end behind a chunk.
    DataEnd,
    Trailers,
    Done,
}

#[derive(Debug)]
pub(super) enum Step {
    Data(Bytes),
    /// Before the end, where there are any.
    Trailers(HeaderMap),
    /// Nothing of what is left in the input belongs to the body.
    End,
    /// The input is used up.
    More,
}

impl Decoder {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next piece of what came in.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match self.state {
                State::Size => match size_line(input)? {
                    None => return Ok(Step::More),
                    Some(0) => self.state = State::Trailers,
                    Some(left) => self.state = State::Data { left },
                },
                State::Data { left } => {
                    if input.is_empty() {
                        return Ok(Step::More);
                    }
                    let length = usize::try_from(left).map_or(input.len(), |l| l.min(input.len()));
                    let left = left - length as u64;
                    self.state = if left == 0 {
                        State::DataEnd
                    } else {
                        State::Data { left }
                    };
                    return Ok(Step::Data(input.split_to(length).freeze()));
                }
                State::DataEnd => match &input[..input.len().min(2)] {
                    b"\r\n" => {
                        input.advance(2);
                        self.state = State::Size;
                    }
                    b"" | b"\r" => return Ok(Step::More),
                    _ => return Err(Malformed("a chunk is longer than its size")),
                },
                State::Trailers => {
                    let Some(trailers) = trailers(input)? else {
                        return Ok(Step::More);
                    };
                    self.state = State::Done;
                    if !trailers.is_empty() {
                        return Ok(Step::Trailers(trailers));
                    }
                }
                State::Done => return Ok(Step::End),
            }
        }
    }
}

/// None where the line has not come whole.
fn size_line(input: &mut BytesMut) -> Result<Option<u64>, Malformed> {
    let looked_at = &input[..input.len().min(SIZE_LINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', looked_at) else {
        if looked_at.len() == SIZE_LINE_BYTES_MAX {
            return Err(Malformed("a chunk's size line does not end"));
        }
        return Ok(None);
    };
    let size = input[..end]
        .strip_suffix(b"\r")
        .and_then(size)
        .ok_or(Malformed("a chunk's size is not a number"))?;
    input.advance(end + 1);
    Ok(Some(size))
}

fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (number, rest) = line.split_at(digits.count());
    let has_extension = matches!(rest.first(), Some(b';' | b' ' | b'\t'));
    if !(rest.is_empty() || has_extension) || rest.contains(&b'\r') {
        return None;
    }
    // More digits than this are padding that some readers would cut.
    let number = Some(number).filter(|number| (1..=16).contains(&number.len()))?;
    u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let looked_at = &input[..input.len().min(TRAILERS_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(looked_at, b"\r\n\r\n") else {
        if looked_at.len() == TRAILERS_BYTES_MAX {
            return Err(Malformed("trailers are too large"));
        }
        return Ok(None);
    };
    fields(&input.split_to(end + 4).freeze()).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is decoded of bytes that come in such pieces, and what is left over.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, HeaderMap, Vec<u8>), Malformed> {
        let (mut decoder, mut input) = (Decoder::default(), BytesMut::new());
        let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match decoder.next(&mut input)? {
                    Step::Data(bytes) => data.extend_from_slice(&bytes),
                    Step::Trailers(found) => trailers = found,
                    Step::End | Step::More => break,
                }
            }
        }
        if decoder.is_done() {
            Ok((data, trailers, input.to_vec()))
        } else {
            Err(Malformed("not whole"))
        }
    }

    #[track_caller]
    fn check(coded: &str, expected: Option<&str>) {
        let found = decode(&[coded.as_bytes()]).ok().map(|(data, ..)| data);
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{coded:?}");
    }

    #[test]
    fn chunks_are_read_by_the_letter() {
        check("0\r\n\r\n", Some(""));
        check("3\r\nabc\r\n0\r\n\r\n", Some("abc"));
        check(
            "03;a=b\r\nabc\r\nA ; x\r\n0123456789\r\n0\r\n\r\n",
            Some("abc0123456789"),
        );
        check("3\nabc\n0\n\n", None);
        check("3\r\nabcd\r\n0\r\n\r\n", None);
        check("3\r\nabc0\r\n\r\n", None);
        check("\r\n3\r\nabc\r\n0\r\n\r\n", None);
        check("-3\r\nabc\r\n0\r\n\r\n", None);
        check("+3\r\nabc\r\n0\r\n\r\n", None);
        check("0x3\r\nabc\r\n0\r\n\r\n", None);
        check("3\r;\r\nabc\r\n0\r\n\r\n", None);
        check("00000000000000003\r\nabc\r\n0\r\n\r\n", None);
        check("fffffffffffffffff\r\nabc", None);
        check("0\r\n: x\r\n\r\n", None);
        check("0\r\n", None);
    }

    #[test]
    fn what_does_not_end_is_not_waited_for() {
        let long = "1;".repeat(SIZE_LINE_BYTES_MAX);
        let fields = format!("0\r\n{}", "a: b\r\n".repeat(TRAILERS_BYTES_MAX));
        for text in [long, fields] {
            assert_ne!(decode(&[text.as_bytes()]).unwrap_err().0, "not whole");
        }
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(1usize..30, 1..20),
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\nx-sum: 1\r\n\r\nnext");
            let (mut pieces, mut rest, mut cut) = (Vec::new(), &coded[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(*cut.next().unwrap_or(&1)));
                pieces.push(piece);
                rest = more;
            }
            let (data, trailers, left) = decode(&pieces).expect("it is well formed");
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(trailers.get("x-sum").map(|v| v.as_bytes()), Some(&b"1"[..]));
            prop_assert_eq!(&left[..], b"next");
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[&bytes]);
        }
    }
}
