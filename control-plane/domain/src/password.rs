//! What makes a password acceptable, as NIST SP 800-63B-4, section 3.1.1.2, has it for passwords
//! that are the only factor: length, and not being one of those that are tried first. Nothing is
//! asked about kinds of characters.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::email::Email;
use crate::field::FieldError;

pub const CHARS_MIN: usize = 15;
/// Bounds the work of hashing; the standard asks for 64 at least.
pub const CHARS_MAX: usize = 256;

/// What is guessed within so many tries is refused: an attacker of the pages gets some thousand a
/// year, one who has the database some ten a second and core.
const GUESSES_MIN: f64 = 1e8;
/// The work of the estimate grows with the square of what it looks at.
const LOOKED_AT: usize = 32;
/// Signs that may stand for a letter, and more of them than this for two: the estimate tries every
/// combination of what they may stand for.
const SIGNS: &str = "@({[<!|$+%";
const SIGNS_MAX: usize = 3;
/// So much has to be there beside the words of the address and our own name.
const REST_MIN: usize = 8;
/// Words from an address: few are in one that is not made to cost time.
const WORDS_MAX: usize = 16;

/// Sayings that are long enough and are on every list of an attacker, though their words are not
/// common; letters only.
const SAYINGS: &[&str] = &[
    "correcthorsebatterystaple",
    "thequickbrownfoxjumpsoverthelazydog",
    "maytheforcebewithyou",
    "loremipsumdolorsitamet",
    "tobeornottobethatisthequestion",
    "onceuponatimetherewas",
    "supercalifragilisticexpialidocious",
    "iloveyoutothemoonandback",
];

/// A password that may be set, in normal form. It is never shown again.
pub struct NewPassword(String);

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

impl NewPassword {
    /// Fails when too short, too long, made of the address, or among the first that are tried.
    pub fn parse(raw: &str, email: &Email) -> Result<Self, FieldError> {
        let wrong = |code, message: String| Err(FieldError::new("password", code, message));
        let text = normal(raw);
        let length = text.chars().count();
        if length < CHARS_MIN {
            let message = format!("Use at least {CHARS_MIN} characters. A few words will do.");
            return wrong("too_short", message);
        }
        if length > CHARS_MAX {
            return wrong("too_long", format!("Use at most {CHARS_MAX} characters."));
        }
        let lower = text.to_lowercase();
        let words = words(email);
        if is_made_of(&words, &lower) {
            let message = "Leave your address and our name out: whoever guesses begins with them.";
            return wrong("too_personal", message.to_owned());
        }
        if is_saying(&lower) || is_guessable(&text, &words) {
            let message = "This is one of the first that is tried. Take a few words that do not \
                belong together, or what a password manager makes.";
            return wrong("too_common", message.to_owned());
        }
        Ok(Self(text.into_owned()))
    }

    /// For hashing, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The text as it is hashed: however a keyboard composes a letter, it is the same one (Unicode
/// normalization form C, UAX #15).
pub fn normal(raw: &str) -> Cow<'_, str> {
    match is_nfc_quick(raw.chars()) {
        IsNormalized::Yes => Cow::Borrowed(raw),
        _ => Cow::Owned(raw.nfc().collect()),
    }
}

/// Whether little is left without these words, of which the first ones contain others.
fn is_made_of(words: &[String], lower: &str) -> bool {
    let rest = words.iter().fold(lower.to_owned(), |rest, word| {
        rest.replace(word.as_str(), "")
    });
    rest.len() < lower.len() && rest.chars().count() < REST_MIN
}

fn is_saying(lower: &str) -> bool {
    let letters: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    SAYINGS.contains(&letters.as_str())
}

/// By the 30,000 passwords that leaked most, common words and names, repetitions, sequences, dates
/// and neighbours on keyboards, and by these words.
fn is_guessable(text: &str, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_weak =
        |part: &[char]| zxcvbn::zxcvbn(&judged(part), &words).guesses_log10() < GUESSES_MIN.log10();
    let letters: Vec<char> = text.chars().collect();
    // The whole is as hard to guess as its hardest part, so that both ends have to be weak.
    let head = &letters[..letters.len().min(LOOKED_AT)];
    let tail = &letters[letters.len().saturating_sub(LOOKED_AT)..];
    is_weak(head) && (head.len() == letters.len() || is_weak(tail))
}

/// Without signs where they are of many kinds: what is left is no harder to guess.
fn judged(part: &[char]) -> String {
    let kinds = SIGNS.chars().filter(|sign| part.contains(sign)).count();
    let is_kept = |letter: &&char| kinds <= SIGNS_MAX || !SIGNS.contains(**letter);
    part.iter().filter(is_kept).collect()
}

/// The address, the mailbox and the host, their parts, and the product's name.
fn words(email: &Email) -> Vec<String> {
    let mut words = vec![email.as_str().to_owned(), "tollgate".to_owned()];
    for side in email.as_str().split('@') {
        let parts = side.split(|letter: char| !letter.is_alphanumeric());
        for word in std::iter::once(side).chain(parts) {
            if word.chars().count() >= 3 && words.len() < WORDS_MAX {
                words.push(word.to_owned());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<NewPassword, FieldError> {
        let email = Email::parse("ada.lovelace@northwind.example").expect("an address");
        NewPassword::parse(raw, &email)
    }

    #[test]
    fn a_password_is_long_and_not_among_the_first_that_are_tried() {
        let phrases = "seven green umbrellas under water ".repeat(9);
        for (raw, expected) in [
            ("correct horse battery", None),
            ("fourteen chars", Some("too_short")),
            ("fifteen charact", None),
            // No kinds of characters are asked for; spaces and every script are welcome.
            ("               ", Some("too_common")),
            ("drei große Bäume", None),
            ("私は毎朝七時に起きて海を見ます", None),
            ("aaaaaaaaaaaaaaaa", Some("too_common")),
            ("passwordpassword", Some("too_common")),
            ("Password12345678", Some("too_common")),
            ("P@ssw0rd!P@ssw0rd!", Some("too_common")),
            ("qwertyuiopasdfghjkl", Some("too_common")),
            ("123456789012345678", Some("too_common")),
            ("abcabcabcabcabcabc", Some("too_common")),
            ("tollgatetollgate", Some("too_personal")),
            ("lovelacenorthwind", Some("too_personal")),
            ("adalovelace2024!!", Some("too_personal")),
            ("my ada.lovelace@northwind.example", Some("too_personal")),
            ("ada and the seven umbrellas", None),
            ("!@#$%^&*()!@#$%^&*()", Some("too_common")),
            ("k@9(x{2[q<7!m|4$z+w%", None),
            ("Correct Horse Battery Staple", Some("too_common")),
            (&phrases[..256], None),
            (&phrases[..257], Some("too_long")),
        ] {
            let found = parse(raw).err().map(|e| e.code);
            assert_eq!(found, expected, "{raw}");
        }
    }

    #[test]
    fn every_character_counts_once_however_it_was_typed() {
        // e and a combining accent are one letter.
        assert!(parse("xkcd mnbv\u{e9} qzpj").is_ok());
        let composed = parse("xkcd mnbv\u{e9} qzpj").expect("15 characters");
        let typed = parse("xkcd mnbve\u{301} qzpj").expect("15 characters");
        assert_eq!(composed.reveal(), typed.reveal());
        let short = parse("xkcd mnbve\u{301} qzp").err().map(|e| e.code);
        assert_eq!(short, Some("too_short"));
    }

    #[test]
    fn a_weak_beginning_does_not_make_a_long_password_weak() {
        let long = format!("{}wobbly tangerine harbour", "a".repeat(70));
        assert!(parse(&long).is_ok());
        assert!(parse(&"a".repeat(200)).is_err());
    }

    #[test]
    fn judging_a_password_takes_little_time_whatever_it_is() {
        let _ = parse("something harmless");
        for raw in ["4@8({[<3e6g9&#!1|!l70$5+7%2z".repeat(9), "ab1".repeat(85)] {
            let started = std::time::Instant::now();
            let _ = parse(&raw);
            let took = started.elapsed();
            assert!(took.as_millis() < 500, "{took:?} for {raw}");
        }
    }
}
