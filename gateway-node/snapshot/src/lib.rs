//! What crosses the wire between the control plane and its gateway nodes: documents, their
//! canonical encoding, content addresses, signatures, sealing, and the paths and bodies of the
//! node endpoints; and to which addresses neither of them connects.
//!
//! Invariants: equal content is equal bytes; nothing here reads a clock, a socket or a file; bytes
//! from outside are parsed within limits and never panic; a field that no node uses is not here.
//! Entry: [`manifest::Manifest`] names everything a node enforces. Read `document.rs` first.

pub mod api_key;
pub mod chunk;
pub mod document;
pub mod enrol;
pub mod guard;
pub mod id;
pub mod jwe;
pub mod lease;
pub mod manifest;
pub mod node_call;
pub mod poll;
pub mod rate_share;
pub mod revocation;
pub mod seal;
pub mod sign;
pub mod trie;
pub mod usage;

/// The newest chunk format this build can read; a chunk with a larger `min_reader` is refused.
pub const READER_VERSION: u32 = 2;

/// Why bytes from outside were not accepted. The `code` is stable: nodes report it, pages show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{what} is not a valid protobuf message")]
    Protobuf { what: &'static str },
    #[error("{what} has {found} bytes where {expected} belong")]
    Length {
        what: &'static str,
        expected: usize,
        found: usize,
    },
    #[error("{what} is larger than {max} bytes")]
    TooLarge { what: &'static str, max: usize },
    #[error("the content of chunk {address} does not have that address")]
    WrongAddress { address: String },
    #[error("chunk kind {found} stands where kind {expected} belongs")]
    WrongKind { expected: u32, found: u32 },
    #[error("reading it takes version {needed}, this build reads up to {READER_VERSION}")]
    ReaderTooOld { needed: u32 },
    #[error("{what} is not in canonical form")]
    NotCanonical { what: &'static str },
    #[error("{what} holds a value that is not allowed: {detail}")]
    Invalid { what: &'static str, detail: String },
}

impl DecodeError {
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::Protobuf { .. } => "malformed",
            DecodeError::Length { .. } | DecodeError::TooLarge { .. } => "wrong_length",
            DecodeError::WrongAddress { .. } => "wrong_hash",
            DecodeError::WrongKind { .. } => "wrong_kind",
            DecodeError::ReaderTooOld { .. } => "reader_too_old",
            DecodeError::NotCanonical { .. } => "not_canonical",
            DecodeError::Invalid { .. } => "invalid_value",
        }
    }
}

/// Decodes a protobuf message of at most `max` bytes.
pub fn decode<M: prost::Message + Default>(
    what: &'static str,
    bytes: &[u8],
    max: usize,
) -> Result<M, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLarge { what, max });
    }
    M::decode(bytes).map_err(|_| DecodeError::Protobuf { what })
}
