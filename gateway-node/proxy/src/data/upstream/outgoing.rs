//! A request on its way out: its head, then its body piece by piece. The next piece is asked for
//! when the one before is written, so that nothing piles up.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method};
use tokio::io::AsyncWrite;

use crate::data::body::{Upload, UploadError};
use crate::data::io::Stream;

/// Head buffers that are larger than this are not kept from one request to the next.
const HEAD_BYTES_KEPT: usize = 8 << 10;

/// A request as a connection sends it.
#[derive(Default)]
pub(in crate::data) struct Outgoing {
    /// Decides whether the answer has a body.
    pub(in crate::data) method: Method,
    /// Everything up to and including the empty line.
    pub(in crate::data) head: Vec<u8>,
    pub(in crate::data) body: Body,
}

#[derive(Clone, Default)]
pub(in crate::data) enum Body {
    #[default]
    Empty,
    /// Of this many bytes, as the head says.
    Length(Rc<Upload>, u64),
    Chunked(Rc<Upload>),
}

/// Why the request did not go out whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the upstream does not take the request")]
    Io(#[from] io::Error),
    #[error("the request's body broke off")]
    Body(#[from] UploadError),
}

/// What is left to be written of a request.
#[derive(Default)]
pub(super) struct Output {
    /// The head, later what stands in front of a chunk.
    before: Vec<u8>,
    before_written: usize,
    chunk: Bytes,
    after: &'static [u8],
    body: Body,
    /// Some byte went out.
    is_begun: bool,
    is_flushed: bool,
}

impl Output {
    pub(super) fn begin(&mut self, head: Vec<u8>, body: Body) {
        *self = Self {
            before: head,
            body,
            ..Self::default()
        };
    }

    /// Whether all of the request has gone out.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.body, Body::Empty) && self.is_flushed
    }

    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Nothing more goes out.
    pub(super) fn abandon(&mut self) {
        self.body = Body::Empty;
        self.chunk = Bytes::new();
        self.after = b"";
        self.is_flushed = true;
    }

    /// Sends on as far as the body and the socket go; ready when all has gone out.
    pub(super) fn poll(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            // The first piece of a body goes out with the head where it is there already.
            let next = match self.chunk.is_empty() && self.after.is_empty() {
                true => self.poll_body(cx)?,
                false => Poll::Ready(()),
            };
            if !self.is_flushed {
                ready!(self.poll_write(stream, cx))?;
            }
            ready!(next);
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the next piece of the body in; ready where something is to be written or all is.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, UploadError> {
        let (upload, is_chunked) = match &self.body {
            Body::Empty => return Ok(Poll::Ready(())),
            Body::Length(upload, _) => (upload.clone(), false),
            Body::Chunked(upload) => (upload.clone(), true),
        };
        let Poll::Ready(frame) = upload.poll(cx) else {
            return Ok(Poll::Pending);
        };
        let Some(frame) = frame.transpose()? else {
            self.end(None)?;
            return Ok(Poll::Ready(()));
        };
        match frame.into_data() {
            Ok(data) if is_chunked => self.put_chunk(data),
            Ok(data) => self.put_plain(data)?,
            Err(frame) => self.end(frame.into_trailers().ok().as_ref())?,
        }
        if !is_chunked && upload.is_done() {
            self.end(None)?;
        }
        Ok(Poll::Ready(()))
    }

    fn put_plain(&mut self, data: Bytes) -> Result<(), UploadError> {
        if let Body::Length(_, left) = &mut self.body {
            *left = left
                .checked_sub(data.len() as u64)
                .ok_or(UploadError::OtherLength)?;
        }
        self.is_flushed &= data.is_empty();
        self.chunk = data;
        Ok(())
    }

    fn put_chunk(&mut self, data: Bytes) {
        // A chunk of no bytes would end the body.
        if data.is_empty() {
            return;
        }
        self.make_room();
        // Writing to memory does not fail.
        let _ = io::Write::write_fmt(&mut self.before, format_args!("{:x}\r\n", data.len()));
        self.chunk = data;
        self.after = b"\r\n";
        self.is_flushed = false;
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), UploadError> {
        match std::mem::take(&mut self.body) {
            Body::Empty | Body::Length(_, 0) => {}
            Body::Length(..) => return Err(UploadError::OtherLength),
            Body::Chunked(_) => {
                self.make_room();
                self.before.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten() {
                    put_field(&mut self.before, name.as_str(), value.as_bytes());
                }
                self.before.extend_from_slice(b"\r\n");
                self.is_flushed = false;
            }
        }
        Ok(())
    }

    /// Forgets what was written in front of the chunk before.
    fn make_room(&mut self) {
        if self.before_written == self.before.len() {
            self.before.clear();
            self.before_written = 0;
        }
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(stream);
        loop {
            let before = &self.before[self.before_written..];
            let written = if self.chunk.is_empty() && self.after.is_empty() {
                if before.is_empty() {
                    break;
                }
                ready!(stream.as_mut().poll_write(cx, before))?
            } else {
                let slices = [before, &self.chunk, self.after].map(IoSlice::new);
                ready!(stream.as_mut().poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_begun = true;
            self.advance(written);
        }
        ready!(stream.poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let of_before = written.min(self.before.len() - self.before_written);
        self.before_written += of_before;
        let of_chunk = (written - of_before).min(self.chunk.len());
        self.chunk.advance(of_chunk);
        self.after = &self.after[written - of_before - of_chunk..];
    }

    /// The head as it was sent, where nothing of a body was; to be sent again.
    pub(super) fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.before)
    }

    /// Room for another head.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.before);
        buffer.clear();
        buffer.shrink_to(HEAD_BYTES_KEPT);
        buffer
    }
}

/// A field as it stands in a message.
pub(in crate::data) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
