//! The stylesheet: nothing in it is dead, and its colours can be read.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use web::{assets, samples};

fn stylesheet() -> String {
    let url = assets::url("app.css");
    let asset = assets::find(url.strip_prefix("/static/").unwrap()).unwrap();
    String::from_utf8(asset.bytes.into_owned()).unwrap()
}

fn classes_in_use() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, html) in samples::all().unwrap() {
        for attribute in html.split(" class=\"").skip(1) {
            let value = attribute.split('"').next().unwrap();
            used.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    used
}

#[test]
fn every_class_is_used_and_every_token_is_set() {
    let css = stylesheet();
    let used = classes_in_use();
    for rest in css.split('.').skip(1) {
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .unwrap_or(rest.len());
        let class = &rest[..end];
        let is_class = class.starts_with(|c: char| c.is_ascii_alphabetic());
        // Set by app.js.
        let is_scripted = class == "has-script";
        assert!(
            !is_class || is_scripted || used.contains(class),
            ".{class} is styled and used nowhere"
        );
    }
    for rest in css.split("var(--").skip(1) {
        let name = rest.split([')', ',']).next().unwrap();
        assert!(css.contains(&format!("--{name}:")), "--{name} is not set");
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let css = stylesheet();
    for word in ["url(", "@import", "@font-face", "expression("] {
        assert!(!css.contains(word), "the stylesheet has {word}");
    }
}

type Colours = BTreeMap<String, [u8; 3]>;

/// Six-digit colours among the custom properties of a block.
fn colours(block: &str) -> Colours {
    let mut colours = Colours::new();
    for line in block.lines() {
        let Some((name, value)) = line.trim().split_once(": #") else {
            continue;
        };
        let (Some(name), Some(hex)) = (name.strip_prefix("--"), value.strip_suffix(';')) else {
            continue;
        };
        let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        colours.insert(name.to_owned(), [channel(0), channel(2), channel(4)]);
    }
    colours
}

/// Relative luminance, WCAG 2.2.
fn luminance(colour: [u8; 3]) -> f64 {
    let [r, g, b] = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (a, b) = (luminance(one) + 0.05, luminance(other) + 0.05);
    a.max(b) / a.min(b)
}

/// WCAG 2.2, level AA: 4.5 for text, 3 for what tells a control or a bar from its ground.
const TEXT: f64 = 4.5;
const SHAPE: f64 = 3.0;

const PAIRS: &[(&str, &[&str], f64)] = &[
    (
        "text",
        &[
            "page",
            "surface",
            "sunken",
            "hover",
            "accent-soft",
            "good-soft",
            "warning-soft",
            "danger-soft",
        ],
        TEXT,
    ),
    (
        "muted",
        &[
            "page",
            "surface",
            "sunken",
            "hover",
            "warning-soft",
            "danger-soft",
        ],
        TEXT,
    ),
    (
        "accent-text",
        &[
            "page",
            "surface",
            "sunken",
            "hover",
            "accent-soft",
            "warning-soft",
            "danger-soft",
        ],
        TEXT,
    ),
    (
        "on-accent",
        &["accent", "accent-hover", "danger-fill", "danger-hover"],
        TEXT,
    ),
    ("good", &["good-soft"], TEXT),
    ("warning", &["warning-soft"], TEXT),
    (
        "danger",
        &["page", "surface", "sunken", "danger-soft"],
        TEXT,
    ),
    ("line-strong", &["page", "surface"], SHAPE),
    ("s2", &["surface", "hover"], SHAPE),
    ("s429", &["surface"], SHAPE),
    ("s5", &["surface", "hover"], SHAPE),
];

#[test]
fn colours_reach_wcag_aa_in_light_and_dark() {
    let css = stylesheet();
    let (light, rest) = css
        .split_once("@media (prefers-color-scheme: dark)")
        .unwrap();
    let dark = rest.split_once("/* Ground */").unwrap().0;
    let light = colours(light);
    let mut both = light.clone();
    both.extend(colours(dark));
    for (scheme, colours) in [("light", &light), ("dark", &both)] {
        for (front, grounds, least) in PAIRS {
            for ground in *grounds {
                let ratio = contrast(colours[*front], colours[*ground]);
                assert!(
                    ratio >= *least,
                    "{scheme}: {front} on {ground} is {ratio:.2}, {least} is needed"
                );
            }
        }
    }
}
