//! QR codes, drawn into the page: no image is fetched, no script draws it.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use qrcode::{Color, QrCode};

/// Modules around the code that scanners need empty (ISO/IEC 18004).
const MARGIN: usize = 4;

/// A drawing, ready to print: `{{ qr_code }}`.
#[derive(Debug, Clone, Template)]
#[template(
    source = r##"<svg aria-hidden="true" viewBox="0 0 {{ size }} {{ size }}" shape-rendering="crispEdges"><rect width="{{ size }}" height="{{ size }}" fill="#fff"/><path d="{{ dark }}" fill="#000"/></svg>"##,
    ext = "html"
)]
pub struct Drawing {
    size: usize,
    /// A square of path data per dark module.
    dark: String,
}

impl HtmlSafe for Drawing {}

/// `None`: the text is too long for a code.
#[must_use]
pub fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut dark = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + MARGIN, at / width + MARGIN);
            // Writing to a string does not fail.
            let _ = write!(dark, "M{x} {y}h1v1h-1z");
        }
    }
    Some(Drawing {
        size: width + 2 * MARGIN,
        dark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_with_its_margin() {
        let drawing = draw("otpauth://totp/Tollgate:ada?secret=ABC").expect("short enough");
        let html = drawing.to_string();
        // Version 3 has 29 modules a side; the corner of the first finder pattern comes first.
        assert!(html.contains("viewBox=\"0 0 37 37\""), "{html}");
        assert!(html.contains("d=\"M4 4h1v1h-1zM5 4"), "{html}");
        assert!(draw(&"x".repeat(5_000)).is_none());
    }
}
