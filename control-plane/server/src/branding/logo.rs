//! Pictures that people upload: decoded within limits and encoded anew, so that nothing of a file is
//! served as it came.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use snapshot::chunk::sha256;

pub(crate) const UPLOAD_BYTES_MAX: usize = 1 << 20;
/// Of what is uploaded, in pixels.
const SIDE_MAX: u32 = 2048;
/// Of what is served.
const LOGO_SIDE_MAX: u32 = 512;
/// What decoding may take: a picture of the largest size with eight bytes to the pixel, and as much
/// again.
const MEMORY_BYTES_MAX: u64 = 96 << 20;
/// Hexadecimal characters of the hash that stand in an address.
const HASH_CHARS: usize = 32;

/// Why a file becomes no logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LogoError {
    #[error("Choose a PNG, JPEG or WebP picture.")]
    NoPicture,
    #[error("The picture is larger than 1 MiB.")]
    TooManyBytes,
    #[error("The picture is more than 2048 pixels wide or high.")]
    TooLarge,
}

/// A PNG of at most 512 pixels in each direction.
pub(super) fn encode(upload: &[u8]) -> Result<Vec<u8>, LogoError> {
    if upload.len() > UPLOAD_BYTES_MAX {
        return Err(LogoError::TooManyBytes);
    }
    let mut picture = decode(upload).map_err(|cause| match cause {
        ImageError::Limits(_) => LogoError::TooLarge,
        _ => LogoError::NoPicture,
    })?;
    if picture.width().max(picture.height()) > LOGO_SIDE_MAX {
        picture = picture.resize(LOGO_SIDE_MAX, LOGO_SIDE_MAX, FilterType::Lanczos3);
    }
    let mut png = Vec::new();
    DynamicImage::ImageRgba8(picture.to_rgba8())
        .write_with_encoder(PngEncoder::new(&mut png))
        .map_err(|_| LogoError::NoPicture)?;
    Ok(png)
}

fn decode(upload: &[u8]) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(upload)).with_guessed_format()?;
    // By its content, whatever name and type it was sent with.
    if !matches!(
        reader.format(),
        Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)
    ) {
        return Err(ImageError::IoError(std::io::ErrorKind::InvalidData.into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_BYTES_MAX);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height)?;
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// What stands for its content in the address.
pub(super) fn hash(png: &[u8]) -> String {
    let mut hash = snapshot::chunk::Address(sha256(png)).to_string();
    hash.truncate(HASH_CHARS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let picture = DynamicImage::new_rgb8(width, height);
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("encodes");
        bytes.into_inner()
    }

    fn size(png: &[u8]) -> (u32, u32) {
        let read = image::load_from_memory_with_format(png, ImageFormat::Png).expect("a PNG");
        (read.width(), read.height())
    }

    #[test]
    fn pictures_of_three_formats_become_small_pngs() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let small = encode(&picture(40, 20, format)).expect("a logo");
            assert_eq!(size(&small), (40, 20), "{format:?}");
            let large = encode(&picture(1024, 512, format)).expect("a logo");
            assert_eq!(size(&large), (512, 256), "{format:?}");
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let mut cut = picture(40, 20, ImageFormat::Png);
        cut.truncate(60);
        for (upload, expected) in [
            (b"<svg onload=\"alert(1)\"/>".to_vec(), LogoError::NoPicture),
            (b"GIF89a\x01\x00\x01\x00".to_vec(), LogoError::NoPicture),
            (Vec::new(), LogoError::NoPicture),
            (cut, LogoError::NoPicture),
            (vec![0; UPLOAD_BYTES_MAX + 1], LogoError::TooManyBytes),
            // Compresses to little: a bomb is known by its header.
            (picture(2049, 10, ImageFormat::Png), LogoError::TooLarge),
        ] {
            assert_eq!(encode(&upload), Err(expected));
        }
    }

    #[test]
    fn nothing_of_the_file_but_its_pixels_is_kept() {
        let mut upload = picture(4, 4, ImageFormat::Jpeg);
        upload.extend_from_slice(b"<script>alert(1)</script>");
        let png = encode(&upload).expect("a logo");
        assert!(!png.windows(8).any(|part| part == b"<script>"));
        assert!(png.starts_with(b"\x89PNG"));
    }
}
