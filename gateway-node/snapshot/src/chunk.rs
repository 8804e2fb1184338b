//! Chunks: canonical bytes named by their SHA-256, and how they travel.

use aws_lc_rs::digest;

use crate::{DecodeError, READER_VERSION};

/// No chunk is larger, uncompressed. A leaf of 512 entries stays far below it.
pub const CHUNK_BYTES_MAX: usize = 8 << 20;
/// The most chunks that one call asks for.
pub const CHUNKS_PER_CALL_MAX: usize = 512;
/// A server stops adding chunks to an answer past this many compressed bytes; the node asks again.
pub const CHUNKS_ANSWER_BYTES: usize = 4 << 20;
const COMPRESSION_LEVEL: i32 = 3;

/// SHA-256 of a chunk's canonical uncompressed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 32]);

impl Address {
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    pub fn from_slice(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes.try_into().map(Self).map_err(|_| DecodeError::Length {
            what: "address",
            expected: 32,
            found: bytes.len(),
        })
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// What a chunk holds. Closed on purpose: a node that meets a kind it does not know keeps what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Kind {
    Unknown = 0,
    ConfigRoot = 1,
    StateRoot = 2,
    /// An inner node of any map.
    Interior = 3,
    /// A leaf whose values are [`ChunkRef`]s: APIs, plans, upstreams, each in a chunk of its own.
    DirectoryLeaf = 4,
    KeyLeaf = 5,
    TenantLeaf = 6,
    Api = 7,
    Upstream = 8,
    Plan = 9,
    RevocationLeaf = 10,
    Authorizer = 11,
}

/// The envelope whose bytes are hashed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Chunk {
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    /// The oldest reader that understands this content.
    #[prost(uint32, tag = "2")]
    pub min_reader: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
}

/// How a parent names a chunk: address and length, so that nothing larger is ever inflated.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChunkRef {
    #[prost(bytes = "vec", tag = "1")]
    pub address: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

impl ChunkRef {
    pub fn address(&self) -> Result<Address, DecodeError> {
        Address::from_slice(&self.address)
    }
}

/// A chunk ready to be stored: its reference and its canonical bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    pub address: Address,
    pub bytes: Vec<u8>,
}

impl Sealed {
    pub fn reference(&self) -> ChunkRef {
        ChunkRef {
            address: self.address.0.to_vec(),
            length: self.bytes.len() as u32,
        }
    }
}

/// Encodes a document as a chunk that every reader since version 1 understands.
pub fn encode<M: prost::Message>(kind: Kind, document: &M) -> Sealed {
    encode_for(kind, 1, document)
}

/// Encodes a document that only readers since `min_reader` enforce as it is meant.
pub fn encode_for<M: prost::Message>(kind: Kind, min_reader: u32, document: &M) -> Sealed {
    let chunk = Chunk {
        kind: kind as i32,
        min_reader,
        body: document.encode_to_vec(),
    };
    let bytes = prost::Message::encode_to_vec(&chunk);
    Sealed {
        address: Address::of(&bytes),
        bytes,
    }
}

/// Checks that `bytes` are what `reference` names. The first thing done with bytes from outside.
pub fn verify(reference: &ChunkRef, bytes: &[u8]) -> Result<(), DecodeError> {
    let address = reference.address()?;
    if bytes.len() != reference.length as usize {
        return Err(DecodeError::Length {
            what: "chunk",
            expected: reference.length as usize,
            found: bytes.len(),
        });
    }
    if Address::of(bytes) != address {
        return Err(DecodeError::WrongAddress {
            address: address.to_string(),
        });
    }
    Ok(())
}

/// Opens a chunk that [`verify`] accepted, as a document of the given kind.
pub fn open<M: prost::Message + Default>(kind: Kind, bytes: &[u8]) -> Result<M, DecodeError> {
    let chunk = open_any(bytes)?;
    if chunk.kind != kind as i32 {
        return Err(DecodeError::WrongKind {
            expected: kind as u32,
            found: chunk.kind as u32,
        });
    }
    crate::decode("chunk body", &chunk.body, CHUNK_BYTES_MAX)
}

/// Opens the envelope of a chunk whose kind is still to be seen: an interior node or a leaf.
pub fn open_any(bytes: &[u8]) -> Result<Chunk, DecodeError> {
    let chunk: Chunk = crate::decode("chunk", bytes, CHUNK_BYTES_MAX)?;
    if chunk.min_reader > READER_VERSION {
        return Err(DecodeError::ReaderTooOld {
            needed: chunk.min_reader,
        });
    }
    Ok(chunk)
}

/// Body of `POST /node/v1/chunks`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChunkRequest {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub addresses: Vec<Vec<u8>>,
}

/// Its answer: as many of the asked chunks, in the asked order, as fit; at least one when any exists.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ChunkResponse {
    #[prost(message, repeated, tag = "1")]
    pub chunks: Vec<CompressedChunk>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CompressedChunk {
    #[prost(bytes = "vec", tag = "1")]
    pub address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub zstd: Vec<u8>,
}

/// Compresses a chunk for transport and storage.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    zstd::bulk::compress(bytes, COMPRESSION_LEVEL).map_err(|cause| DecodeError::Invalid {
        what: "chunk to compress",
        detail: cause.to_string(),
    })
}

/// Inflates to at most the length that the parent named, then verifies.
pub fn inflate(reference: &ChunkRef, compressed: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let length = reference.length as usize;
    if length > CHUNK_BYTES_MAX {
        return Err(DecodeError::TooLarge {
            what: "chunk",
            max: CHUNK_BYTES_MAX,
        });
    }
    let bytes =
        zstd::bulk::decompress(compressed, length).map_err(|cause| DecodeError::Invalid {
            what: "compressed chunk",
            detail: cause.to_string(),
        })?;
    verify(reference, &bytes)?;
    Ok(bytes)
}
