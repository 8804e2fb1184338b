//! Every page in every state is rendered and held to what all of them promise.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use web::samples;

/// One start tag: its name and attributes (unescaped text is enough here).
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
    /// Where it starts in the page.
    at: usize,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }
}

/// Reads start tags. Attribute values in our templates are always quoted, and `<` is escaped in
/// text, so a tag is what stands between `<letter` and the next `>` outside quotes.
fn tags(html: &str) -> Vec<Tag> {
    let bytes = html.as_bytes();
    let mut list = Vec::new();
    let mut at = 0;
    while at + 1 < bytes.len() {
        if bytes[at] != b'<' || !bytes[at + 1].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let mut end = at;
        let mut is_quoted = false;
        while is_quoted || bytes[end] != b'>' {
            is_quoted ^= bytes[end] == b'"';
            end += 1;
        }
        list.push(tag(&html[at + 1..end], at));
        at = end;
    }
    list
}

fn tag(text: &str, at: usize) -> Tag {
    let text = text.trim_end_matches('/');
    let (name, mut rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let mut value = "";
        rest = after;
        if let Some(quoted) = after.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap();
            value = &quoted[..close];
            rest = &quoted[close + 1..];
        } else {
            assert!(!after.starts_with('='), "attribute without quotes: {text}");
        }
        let old = attributes.insert(key.to_owned(), value.to_owned());
        assert!(old.is_none(), "attribute twice: {text}");
    }
    Tag {
        name: name.to_owned(),
        attributes,
        at,
    }
}

#[track_caller]
fn for_each_page(check: impl Fn(&str, &str, &[Tag])) {
    let pages = samples::all().unwrap();
    assert!(pages.len() > 50);
    for (name, html) in &pages {
        check(name, html, &tags(html));
    }
}

#[test]
fn names_of_samples_are_unique() {
    let pages = samples::all().unwrap();
    let names: BTreeSet<_> = pages.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), pages.len());
}

#[test]
fn what_people_typed_is_always_escaped() {
    let mut escaped = 0;
    for (name, html) in samples::all().unwrap() {
        assert!(!html.contains("<script>"), "{name} prints a script");
        escaped += html.matches("&#60;script&#62;").count();
        let scripts = html.matches("<script").count();
        assert_eq!(scripts, 1, "{name} has more than the one script file");
    }
    assert!(escaped > 60, "only {escaped} hostile values were printed");
}

#[test]
fn every_form_that_changes_something_carries_the_csrf_token() {
    for_each_page(|name, html, tags| {
        for form in tags.iter().filter(|tag| tag.name == "form") {
            let end = form.at + html[form.at..].find("</form>").unwrap();
            let inside = tags.iter().filter(|t| t.at > form.at && t.at < end);
            let tokens = inside
                .filter(|t| t.get("name") == Some("csrf_token"))
                .map(|t| {
                    assert_eq!(t.get("value"), Some("sample-csrf-token"), "{name}");
                    assert_eq!(t.get("type"), Some("hidden"), "{name}");
                })
                .count();
            let expected = usize::from(form.get("method") == Some("post"));
            assert_eq!(tokens, expected, "{name}: {form:?}");
            assert!(form.get("action").unwrap().starts_with('/'), "{name}");
        }
    });
}

#[test]
fn every_field_has_a_label() {
    for_each_page(|name, _, tags| {
        let labels: Vec<&str> = tags
            .iter()
            .filter(|tag| tag.name == "label")
            .map(|tag| tag.get("for").unwrap())
            .collect();
        for field in tags {
            let is_field = matches!(field.name.as_str(), "input" | "select" | "textarea");
            if !is_field || field.get("type") == Some("hidden") {
                continue;
            }
            let id = field
                .get("id")
                .unwrap_or_else(|| panic!("{name}: {field:?}"));
            let count = labels.iter().filter(|label| **label == id).count();
            assert_eq!(count, 1, "{name}: {count} labels for {id}");
            assert!(field.has("name"), "{name}: {id} has no name");
        }
    });
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    for_each_page(|name, _, tags| {
        let mut ids = BTreeSet::new();
        for tag in tags {
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id), "{name}: id {id} twice");
                assert!(!id.contains(char::is_whitespace), "{name}: id {id}");
            }
        }
        for tag in tags {
            for attribute in ["aria-describedby", "aria-labelledby", "for", "data-copy"] {
                for id in tag.get(attribute).unwrap_or("").split_whitespace() {
                    assert!(ids.contains(id), "{name}: {attribute} {id} leads nowhere");
                }
            }
        }
    });
}

#[test]
fn errors_are_tied_to_their_fields() {
    for_each_page(|name, html, tags| {
        let described: BTreeSet<&str> = tags
            .iter()
            .filter_map(|tag| tag.get("aria-describedby"))
            .flat_map(str::split_whitespace)
            .collect();
        for error in tags.iter().filter(|tag| tag.get("class") == Some("error")) {
            let id = error.get("id").unwrap();
            assert!(described.contains(id), "{name}: nothing points at {id}");
        }
        if name.ends_with("-errors") {
            let shown = html.contains("class=\"error\"") || html.contains("role=\"alert\"");
            assert!(shown, "{name} shows no error");
        }
    });
}

#[test]
fn pages_pass_a_strict_content_security_policy() {
    for_each_page(|name, html, tags| {
        for tag in tags {
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on"), "{name}: {key} on {tag:?}");
                assert_ne!(key, "style", "{name}: {tag:?}");
                let is_address = matches!(key.as_str(), "src" | "href" | "action" | "formaction")
                    // Leads on to an application, at an address that it registered.
                    && name != "go-on"
                    // Opens an authenticator application.
                    && !value.starts_with("otpauth:")
                    // A tenant's own pages, at addresses that were checked.
                    && tag.get("rel") != Some("external");
                assert!(
                    !is_address || value.starts_with(['/', '#', '?']),
                    "{name}: {key} leads elsewhere: {value}"
                );
                assert!(!is_address || !value.starts_with("//"), "{name}: {value}");
            }
            assert_ne!(tag.name, "style", "{name} has an inline style");
        }
        assert!(!html.contains("javascript:"), "{name}");
    });
}

#[test]
fn pages_have_one_title_one_main_and_one_first_heading() {
    for_each_page(|name, html, tags| {
        let count = |wanted: &str| tags.iter().filter(|tag| tag.name == wanted).count();
        assert_eq!(count("main"), 1, "{name}");
        assert_eq!(count("h1"), 1, "{name}");
        assert_eq!(
            html.matches("<title>").count() - count_in_svg(html),
            1,
            "{name}"
        );
        assert!(!html.contains("<title> –"), "{name} has no title");
        let mut tables = tags.iter().filter(|tag| tag.name == "th");
        assert!(tables.all(|th| th.has("scope")), "{name}: th without scope");
    });
}

/// Bars of a chart have titles of their own.
fn count_in_svg(html: &str) -> usize {
    html.matches("<g class=\"bar\"><title>").count()
}

#[test]
fn cells_of_tables_that_become_cards_say_what_they_are() {
    for_each_page(|name, html, tags| {
        for table in tags
            .iter()
            .filter(|tag| tag.get("class") == Some("stack-table"))
        {
            let end = table.at + html[table.at..].find("</table>").unwrap();
            for cell in tags.iter().filter(|t| t.at > table.at && t.at < end) {
                assert!(
                    cell.name != "td" || cell.has("data-label"),
                    "{name}: {cell:?}"
                );
            }
        }
    });
}

#[test]
fn passwords_are_never_printed() {
    for_each_page(|name, _, tags| {
        for field in tags.iter().filter(|t| t.get("type") == Some("password")) {
            assert_eq!(field.get("value"), Some(""), "{name}");
        }
    });
}

#[test]
fn no_template_switches_escaping_off() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for filter in ["|safe", "| safe", "|escape(\"none\")", "autoescape"] {
                assert!(!text.contains(filter), "{} uses {filter}", path.display());
            }
        }
    }
}
