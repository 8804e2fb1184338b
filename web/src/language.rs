//! The languages of the pages and mails that people of applications see. The texts stand in
//! `locales/{tag}/*.ftl` (Project Fluent) and are embedded; which language somebody reads is decided
//! from values that are passed in.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use time::{Duration, OffsetDateTime, UtcOffset};
use unic_langid::LanguageIdentifier;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    German,
    French,
}

/// A text by its key, with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    key: Cow<'static, str>,
    values: Vec<(&'static str, Value)>,
}

/// What stands in a text and is written as the language writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// Chooses between singular and plural, too.
    Count(u64),
    Length(Duration),
    Instant(OffsetDateTime),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<Duration> for Value {
    fn from(length: Duration) -> Self {
        Self::Length(length)
    }
}

impl From<OffsetDateTime> for Value {
    fn from(at: OffsetDateTime) -> Self {
        Self::Instant(at)
    }
}

impl Message {
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self {
            key: key.into(),
            values: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

/// More of them, in a header or a parameter, is no honest list.
const WANTED_MAX: usize = 20;

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::French];

    /// Its tag (RFC 5646), as `lang` and `Content-Language` say it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
        }
    }

    /// As those who speak it call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
        }
    }

    /// The language of a tag: of `de-CH` German, whatever the region (RFC 4647, section 3.4).
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// `ui_locales` (OpenID Connect Core, section 3.1.2.1): tags, the one liked best first.
    #[must_use]
    pub fn of_locales(tags: &str) -> Option<Self> {
        tags.split_ascii_whitespace()
            .take(WANTED_MAX)
            .find_map(Self::of_tag)
    }

    /// `Accept-Language` (RFC 9110, section 12.5.4): tags with weights from 0 to 1; of equal ones
    /// the first.
    #[must_use]
    pub fn of_accept(header: &str) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        for range in header.split(',').take(WANTED_MAX) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = thousandths(parameters.trim());
            let Some(language) = Self::of_tag(tag.trim()) else {
                continue;
            };
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The text of a key without anything in it.
    #[must_use]
    pub fn text(self, key: &str) -> String {
        self.write(key, &FluentArgs::new())
    }

    #[must_use]
    pub fn say(self, message: &Message) -> String {
        let mut arguments = FluentArgs::new();
        for (name, value) in &message.values {
            match value {
                Value::Text(text) => arguments.set(*name, text.as_str()),
                Value::Count(count) => arguments.set(*name, *count),
                Value::Length(length) => arguments.set(*name, self.length(*length)),
                Value::Instant(at) => arguments.set(*name, self.instant(*at)),
            }
        }
        self.write(&message.key, &arguments)
    }

    /// A length in its largest whole unit: `45 seconds`, `1 Stunde`, `3 jours`.
    fn length(self, length: Duration) -> String {
        let seconds = length.whole_seconds().unsigned_abs();
        let (count, key) = match seconds {
            0..60 => (seconds, "length-seconds"),
            60..3_600 => (seconds / 60, "length-minutes"),
            3_600..86_400 => (seconds / 3_600, "length-hours"),
            _ => (seconds / 86_400, "length-days"),
        };
        let mut arguments = FluentArgs::new();
        arguments.set("count", count);
        self.write(key, &arguments)
    }

    /// `22 Nov 2026, 14:03 UTC`, `22. November 2026, 14:03 Uhr (UTC)`.
    fn instant(self, at: OffsetDateTime) -> String {
        let at = at.to_offset(UtcOffset::UTC);
        let mut arguments = FluentArgs::new();
        arguments.set("day", at.day());
        arguments.set("month", u8::from(at.month()));
        arguments.set("year", at.year().to_string());
        arguments.set("time", format!("{:02}:{:02}", at.hour(), at.minute()));
        self.write("instant", &arguments)
    }

    /// A key that is not there would be a fault of ours that tests find; a reader sees the key.
    fn write(self, key: &str, arguments: &FluentArgs<'_>) -> String {
        let bundle = &BUNDLES[self as usize];
        let pattern = bundle.get_message(key).and_then(|message| message.value());
        let Some(pattern) = pattern else {
            debug_assert!(false, "{key} has no text in {}", self.tag());
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(arguments), &mut errors);
        debug_assert!(errors.is_empty(), "{key} in {}: {errors:?}", self.tag());
        text.into_owned()
    }
}

/// `q=0.8` as 800; without a weight it is 1, and what is none counts as not wanted.
fn thousandths(parameters: &str) -> u16 {
    let Some(weight) = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("q="))
    else {
        return 1_000;
    };
    match weight.trim().parse::<f32>() {
        // At most three decimals, so nothing is lost.
        Ok(share) if (0.0..=1.0).contains(&share) => (share * 1_000.0).round() as u16,
        _ => 0,
    }
}

type Bundle = FluentBundle<FluentResource>;

/// Parsed once; in the order of [`Language::ALL`].
static BUNDLES: LazyLock<[Bundle; 3]> = LazyLock::new(|| {
    [
        bundle(Language::English, &SOURCES[0]),
        bundle(Language::German, &SOURCES[1]),
        bundle(Language::French, &SOURCES[2]),
    ]
});

const SOURCES: [[&str; 2]; 3] = [
    [
        include_str!("../locales/en/pages.ftl"),
        include_str!("../locales/en/mails.ftl"),
    ],
    [
        include_str!("../locales/de/pages.ftl"),
        include_str!("../locales/de/mails.ftl"),
    ],
    [
        include_str!("../locales/fr/pages.ftl"),
        include_str!("../locales/fr/mails.ftl"),
    ],
];

fn bundle(language: Language, sources: &[&str]) -> Bundle {
    let locale: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Marks around what stands in a text would be copied with it; all our languages run one way.
    bundle.set_use_isolating(false);
    for source in sources {
        let (resource, errors) = match FluentResource::try_new((*source).to_owned()) {
            Ok(resource) => (resource, Vec::new()),
            Err((resource, errors)) => (resource, errors),
        };
        debug_assert!(errors.is_empty(), "{}: {errors:?}", language.tag());
        let added = bundle.add_resource(resource);
        debug_assert!(added.is_ok(), "{}: {added:?}", language.tag());
    }
    bundle
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_language_with_the_greatest_weight_is_taken() {
        for (header, expected) in [
            ("de", Some(Language::German)),
            ("de-CH, fr;q=0.9, en;q=0.8", Some(Language::German)),
            ("en;q=0.5, FR-ca;q=0.7, de;q=0.6", Some(Language::French)),
            ("nl, fr;q=0.3, de;q=0.3", Some(Language::French)),
            ("de;q=0, en;q=0.001", Some(Language::English)),
            ("de;q=0", None),
            ("*", None),
            ("nl-NL, pt;q=0.9", None),
            ("de;q=2, en;q=abc", None),
            ("german", None),
            ("", None),
            (";;,,=", None),
        ] {
            assert_eq!(Language::of_accept(header), expected, "{header:?}");
        }
        let endless = "nl,".repeat(10_000) + "de";
        assert_eq!(Language::of_accept(&endless), None);
    }

    #[test]
    fn of_the_languages_that_an_application_asks_for_the_first_that_is_spoken_is_taken() {
        for (tags, expected) in [
            ("fr-CA fr en", Some(Language::French)),
            ("nl de", Some(Language::German)),
            ("nl", None),
            ("", None),
        ] {
            assert_eq!(Language::of_locales(tags), expected, "{tags:?}");
        }
    }

    #[test]
    fn lengths_and_instants_are_written_as_the_language_writes_them() {
        let hour = Duration::HOUR;
        let minutes = Duration::minutes(3);
        let at = datetime!(2026-03-01 09:05 UTC);
        for (language, one, several, instant) in [
            (
                Language::English,
                "1 hour",
                "3 minutes",
                "1 Mar 2026, 09:05 UTC",
            ),
            (
                Language::German,
                "1 Stunde",
                "3 Minuten",
                "1. März 2026, 09:05 Uhr (UTC)",
            ),
            (
                Language::French,
                "1 heure",
                "3 minutes",
                "1er mars 2026 à 09:05 (UTC)",
            ),
        ] {
            assert_eq!(language.length(hour), one);
            assert_eq!(language.length(minutes), several);
            assert_eq!(language.instant(at), instant);
        }
    }
}
