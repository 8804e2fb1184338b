//! A tenant's colour on the pages of its applications. From one colour a stylesheet is made for the
//! light and the dark scheme, in which all text can be read (WCAG 2.2, level AA): what stands on the
//! colour is black or white, whichever has the higher contrast, and links take a darker or lighter
//! shade of it where the colour itself is too close to the ground.

use domain::branding::Colour;

/// What a page shows of the tenant whose application leads there.
#[derive(Debug, Clone, Default)]
pub struct Brand {
    pub name: String,
    pub logo: Option<String>,
    pub stylesheet: Option<String>,
    pub support_url: Option<String>,
    pub privacy_url: Option<String>,
    pub terms_url: Option<String>,
}

type Channels = [u8; 3];

const BLACK: Channels = [0; 3];
const WHITE: Channels = [255; 3];
/// WCAG 2.2, level AA: 4.5 for text, 3 for what tells a control from its ground.
const TEXT: f64 = 4.5;
const SHAPE: f64 = 3.0;
/// The grounds of `app.css` that links stand on, from the one closest to them in lightness.
const LIGHT: Scheme = Scheme {
    grounds: [[0xec, 0xee, 0xf2], [0xff, 0xff, 0xff]],
    towards: BLACK,
    soft: 0.1,
    line: "#868d9c",
};
const DARK: Scheme = Scheme {
    grounds: [[0x23, 0x27, 0x31], [0x16, 0x18, 0x1e]],
    towards: WHITE,
    soft: 0.2,
    line: "#6d7585",
};
/// Counts changes of how stylesheets are made: addresses that were cached for ever stay as they are.
const VERSION: &str = "1";

struct Scheme {
    /// The first of them is where links are hardest to read; the last one is the card's.
    grounds: [Channels; 2],
    /// Where links get easier to read.
    towards: Channels,
    /// How much of the colour is in the ground of a quiet notice.
    soft: f64,
    /// Around a button that is too close to its ground.
    line: &'static str,
}

/// What a stylesheet colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The page that loads it.
    Page,
    /// What stands in `.preview`.
    Preview,
}

impl Scope {
    fn stem(self) -> &'static str {
        match self {
            Self::Page => "accent",
            Self::Preview => "preview",
        }
    }

    fn selector(self) -> &'static str {
        match self {
            Self::Page => ":root",
            Self::Preview => ".preview",
        }
    }
}

/// The address of a colour's stylesheet. It holds all that the stylesheet is made from.
#[must_use]
pub fn stylesheet_url(accent: Colour, scope: Scope) -> String {
    let colour = accent.to_string();
    let digits = colour.trim_start_matches('#');
    format!("/branding/{}-{VERSION}-{digits}.css", scope.stem())
}

/// The stylesheet for the last part of such an address.
#[must_use]
pub fn find_stylesheet(file: &str) -> Option<String> {
    let rest = file.strip_suffix(".css")?;
    let (stem, rest) = rest.split_once('-')?;
    let (version, digits) = rest.split_once('-')?;
    let scope = [Scope::Page, Scope::Preview]
        .into_iter()
        .find(|scope| scope.stem() == stem)?;
    let accent = Colour::parse(digits).ok()?;
    // One address for one stylesheet.
    (version == VERSION && stylesheet_url(accent, scope).ends_with(file))
        .then(|| stylesheet(accent, scope))
}

fn stylesheet(accent: Colour, scope: Scope) -> String {
    let light = block(accent.0, &LIGHT, scope);
    let dark = block(accent.0, &DARK, scope);
    format!("{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n")
}

fn block(accent: Channels, scheme: &Scheme, scope: Scope) -> String {
    let selector = scope.selector();
    let Shades {
        hover,
        text,
        soft,
        on_accent,
    } = shades(accent, scheme);
    let card = scheme.grounds[1];
    let border = match contrast(accent, card) < SHAPE {
        true => scheme.line,
        false => "transparent",
    };
    let within = match scope {
        Scope::Page => "",
        Scope::Preview => ".preview ",
    };
    format!(
        "{selector} {{ --accent: {}; --accent-hover: {}; --accent-text: {}; --accent-soft: {}; \
         --on-accent: {}; }}\n{within}.button.primary {{ border-color: {border}; }}\n",
        hex(accent),
        hex(hover),
        hex(text),
        hex(soft),
        hex(on_accent),
    )
}

struct Shades {
    hover: Channels,
    /// Of links.
    text: Channels,
    soft: Channels,
    on_accent: Channels,
}

fn shades(accent: Channels, scheme: &Scheme) -> Shades {
    let on_accent = match contrast(accent, WHITE) >= contrast(accent, BLACK) {
        true => WHITE,
        false => BLACK,
    };
    // Away from what stands on it.
    let away = [255 - on_accent[0]; 3];
    let soft = mix(scheme.grounds[1], accent, scheme.soft);
    let is_readable = |text: &Channels| {
        let grounds = scheme.grounds.iter().chain([&soft]);
        grounds
            .into_iter()
            .all(|ground| contrast(*text, *ground) >= TEXT)
    };
    let text = (0..=100u8)
        .map(|percent| mix(accent, scheme.towards, f64::from(percent) / 100.0))
        .find(is_readable)
        .unwrap_or(scheme.towards);
    Shades {
        hover: mix(accent, away, 0.14),
        text,
        soft,
        on_accent,
    }
}

fn mix(from: Channels, to: Channels, share: f64) -> Channels {
    let mut mixed = from;
    for (channel, to) in mixed.iter_mut().zip(to) {
        let value = f64::from(*channel) * (1.0 - share) + f64::from(to) * share;
        *channel = value.round() as u8;
    }
    mixed
}

fn hex(channels: Channels) -> String {
    Colour(channels).to_string()
}

fn luminance(colour: Channels) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.040_45 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: Channels, other: Channels) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_colour_a_tenant_takes_can_be_read() {
        let steps = [0x00, 0x33, 0x66, 0x80, 0x99, 0xcc, 0xff];
        for red in steps {
            for green in steps {
                for blue in steps {
                    let accent = [red, green, blue];
                    for scheme in [&LIGHT, &DARK] {
                        let shades = shades(accent, scheme);
                        let name = hex(accent);
                        assert!(contrast(accent, shades.on_accent) >= TEXT, "{name}");
                        assert!(contrast(shades.hover, shades.on_accent) >= TEXT, "{name}");
                        for ground in scheme.grounds.iter().chain([&shades.soft]) {
                            assert!(contrast(shades.text, *ground) >= TEXT, "{name}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_colour_that_can_be_read_is_taken_as_it_is() {
        assert_eq!(shades([0x43, 0x47, 0xc9], &LIGHT).text, [0x43, 0x47, 0xc9]);
        assert_eq!(shades([0xff, 0xd4, 0x00], &DARK).text, [0xff, 0xd4, 0x00]);
        assert_eq!(shades([0xff, 0xd4, 0x00], &LIGHT).on_accent, BLACK);
    }

    #[test]
    fn a_stylesheet_has_one_address_and_nothing_else_comes_into_it() {
        let url = stylesheet_url(Colour([0x43, 0x47, 0xc9]), Scope::Page);
        assert_eq!(url, "/branding/accent-1-4347c9.css");
        let text = find_stylesheet("accent-1-4347c9.css");
        assert!(text.is_some_and(|text| text.contains("--accent: #4347c9;")));
        for file in [
            "accent-1-4347C9.css",
            "accent-2-4347c9.css",
            "accent-1-#4347c9.css",
            "accent-1-4347c9",
            "other-1-4347c9.css",
            "1-4347c9.css",
            "accent-1-red;}.css",
            ".css",
        ] {
            assert!(find_stylesheet(file).is_none(), "{file}");
        }
    }
}
