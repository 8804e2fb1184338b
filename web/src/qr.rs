//! QR codes, drawn into the page: no image is fetched, no script draws it.

use qrcode::QrCode;
use qrcode::render::svg::Color;

/// The code as SVG; `None`: the text is too long for one.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let drawn = code
        .render::<Color<'_>>()
        .min_dimensions(200, 200)
        .dark_color(Color("#000"))
        .light_color(Color("#fff"))
        .build();
    // The prologue is for files; within a page the element stands alone.
    drawn
        .find("<svg")
        .map(|start| drawn[start..].replacen("<svg", "<svg aria-hidden=\"true\"", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_an_svg_element_of_its_own() {
        let drawn = svg("otpauth://totp/Tollgate:ada?secret=ABC").expect("short enough");
        assert!(drawn.starts_with("<svg aria-hidden") && drawn.ends_with("</svg>"));
        assert!(
            !drawn.contains("style="),
            "the policy of our pages forbids it"
        );
        assert_eq!(svg(&"x".repeat(5_000)), None);
    }
}
