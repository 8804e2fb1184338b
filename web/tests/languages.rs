//! Every language has every text, and the pages that are there in several hold no other.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use domain::email::Email;
use domain::password::NewPassword;
use domain::user::PersonName;
use web::forms::FormErrors;
use web::language::Language;
use web::samples;

const FILES: [&str; 2] = ["pages.ftl", "mails.ftl"];

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Keys of a language with the values that stand in their texts.
fn keys(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for file in FILES {
        let path = crate_folder().join("locales").join(language.tag());
        let text = fs::read_to_string(path.join(file)).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =")
                && !line.starts_with(char::is_whitespace)
            {
                last = key.to_owned();
                let is_new = keys.insert(last.clone(), BTreeSet::new()).is_none();
                assert!(is_new, "{key} twice in {file} of {}", language.tag());
            }
            for value in line.split("{ $").skip(1) {
                let name = value.split([' ', '}']).next().unwrap();
                keys.get_mut(&last).unwrap().insert(name.to_owned());
            }
        }
    }
    keys
}

fn sources(folder: PathBuf, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

#[test]
fn every_language_has_the_same_texts_with_the_same_values() {
    let english = keys(Language::English);
    assert!(english.len() > 100);
    for language in Language::ALL {
        assert_eq!(keys(language), english, "{}", language.tag());
    }
}

#[test]
fn every_text_is_used_and_every_text_that_is_used_is_there() {
    let mut code = Vec::new();
    let server = crate_folder().join("../control-plane/server/src");
    sources(server, ".rs", &mut code);
    sources(crate_folder().join("src"), ".rs", &mut code);
    sources(crate_folder().join("templates"), ".html", &mut code);
    let keys = keys(Language::English);
    // Put together of what the code knows: a role's name, the part of a problem.
    let is_composed = |key: &str| key.starts_with("role-") || key.starts_with("problem-");
    for key in keys.keys().filter(|key| !is_composed(key)) {
        let quoted = format!("\"{key}\"");
        let is_used = code.iter().any(|(_, text)| text.contains(&quoted));
        assert!(is_used, "{key} is used nowhere");
    }
    let is_test = |path: &Path| path.ends_with("tests.rs");
    for (path, text) in code.iter().filter(|(path, _)| !is_test(path)) {
        for call in [".text(\"", ".text_with(\"", ".around(\"", "Message::new(\""] {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(keys.contains_key(key), "{key} of {}", path.display());
            }
        }
    }
}

/// What stands between tags, without what is the same in every language.
fn words(html: &str) -> BTreeSet<String> {
    let body = html.split_once("<body>").unwrap().1;
    let mut words = BTreeSet::new();
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap();
        // What the request before did, in the words of the sample.
        if tag.contains("role=\"status\"") {
            continue;
        }
        words.insert(text.trim().to_owned());
        for attribute in ["aria-label=\"", "title=\"", "placeholder=\""] {
            let value = tag.split_once(attribute).map(|(_, rest)| rest);
            words.extend(value.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    words.retain(|text| text.chars().filter(|c| c.is_alphabetic()).count() > 1);
    words
}

/// The same in several languages: names, addresses, and words that happen to be.
const NAMES: &[&str] = &[
    "Tollgate",
    "English",
    "Deutsch",
    "Français",
    "Code",
    "Northwind",
    "Northwind Freight",
    "ada@northwind.example",
    "openid",
    "orders:read",
    "404",
    "503",
    "Invitation",
    "Administrator",
];

#[test]
fn no_english_stands_on_a_page_in_another_language() {
    let english = samples::hosted(Language::English).unwrap();
    for language in [Language::German, Language::French] {
        let pages = samples::hosted(language).unwrap();
        assert_eq!(pages.len(), english.len());
        for ((name, page), (_, original)) in pages.iter().zip(&english) {
            let lang = format!("<html lang=\"{}\">", language.tag());
            assert!(page.contains(&lang), "{name}");
            let original = words(original);
            for text in words(page) {
                let is_name = NAMES.contains(&text.as_str())
                    || text.contains("&#60;script&#62;")
                    || text.contains("0198f2c4")
                    // What the server said in the sample.
                    || name.starts_with("problem") && !text.contains("onsole")
                    || text == "Know who you are";
                assert!(
                    is_name || !original.contains(&text),
                    "{name} in {}: {text:?} is the same in English",
                    language.tag()
                );
            }
        }
    }
}

#[test]
fn titles_are_in_the_language_too() {
    for language in [Language::German, Language::French] {
        let pages = samples::hosted(language).unwrap();
        let english = samples::hosted(Language::English).unwrap();
        let title = |html: &str| {
            let rest = html.split_once("<title>").unwrap().1;
            rest.split_once("</title>").unwrap().0.to_owned()
        };
        for ((name, page), (_, original)) in pages.iter().zip(&english) {
            let is_same = name.starts_with("problem")
                || name.starts_with("invitation") && language == Language::French;
            assert_eq!(title(page) == title(original), is_same, "{name}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_field_reads_in_english_as_its_type_says_it() {
    let email = Email::parse("ada@example.com").unwrap();
    let password = |raw: &str| NewPassword::parse(raw, &email).err().unwrap();
    let name = |raw: &str| PersonName::parse(raw).err().unwrap();
    let long = "x ".repeat(200);
    for error in [
        Email::parse("ada").unwrap_err(),
        password("short"),
        password(&long),
        password("passwordpassword"),
        password("my ada@example.com"),
        name(&long),
        name("a\u{200b}b"),
        domain::field::line("tenant_name", "", 9).unwrap_err(),
    ] {
        let field = error.field.clone();
        let said = error.message.clone();
        let errors = FormErrors::from(error);
        for language in Language::ALL {
            let translated = errors.clone().in_language(language);
            let is_same = translated.get(&field) == Some(said.as_str());
            assert_eq!(is_same, language == Language::English, "{said}");
        }
    }
}
