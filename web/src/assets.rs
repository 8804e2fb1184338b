//! Stylesheet, script and icon, embedded into the binary and addressed by their content.
//!
//! A hashed address never changes its bytes, so it may be cached for ever
//! (`cache-control: public, max-age=31536000, immutable`).

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Files;

/// A static file as it is to be answered.
#[derive(Debug, Clone)]
pub struct Asset {
    pub bytes: Cow<'static, [u8]>,
    pub content_type: &'static str,
    /// Quoted, ready for the `etag` header.
    pub etag: String,
}

/// Hexadecimal characters of the content hash in an address.
const HASH_CHARS: usize = 8;

/// The file for what follows `/static/` in an address, such as `app.1a2b3c4d.css`. An address
/// with another hash is not found: answering it with today's bytes would poison caches.
#[must_use]
pub fn find(path: &str) -> Option<Asset> {
    let (rest, extension) = path.rsplit_once('.')?;
    let (stem, hash) = rest.rsplit_once('.')?;
    let name = format!("{stem}.{extension}");
    let file = Files::get(&name)?;
    if hash != short_hash(&file) {
        return None;
    }
    Some(Asset {
        etag: format!("\"{hash}\""),
        content_type: content_type(extension),
        bytes: file.data,
    })
}

/// The hashed address of an embedded file: `app.css` becomes `/static/app.1a2b3c4d.css`.
#[must_use]
pub fn url(name: &str) -> String {
    match (Files::get(name), name.rsplit_once('.')) {
        (Some(file), Some((stem, extension))) => {
            format!("/static/{stem}.{}.{extension}", short_hash(&file))
        }
        _ => format!("/static/{name}"),
    }
}

/// Names of all embedded files.
pub fn names() -> impl Iterator<Item = Cow<'static, str>> {
    Files::iter()
}

fn short_hash(file: &EmbeddedFile) -> String {
    let mut text = String::with_capacity(HASH_CHARS);
    for byte in &file.metadata.sha256_hash()[..HASH_CHARS / 2] {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_embedded_file_is_found_under_its_own_address() {
        let mut count = 0;
        for name in names() {
            let url = url(&name);
            let asset = find(url.strip_prefix("/static/").unwrap()).unwrap();
            assert!(!asset.bytes.is_empty(), "{name} is empty");
            assert_ne!(
                asset.content_type, "application/octet-stream",
                "{name} has no content type"
            );
            count += 1;
        }
        assert!(count >= 3);
    }

    #[test]
    fn another_hash_and_a_bare_name_are_not_found() {
        assert!(find("app.00000000.css").is_none());
        assert!(find("app.css").is_none());
        assert!(find("../Cargo.toml").is_none());
        assert!(find("").is_none());
    }
}
