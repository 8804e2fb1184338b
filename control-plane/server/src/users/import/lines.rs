//! The lines of an import as they come: a JSON array, a JSON object on each line, or CSV.

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::PersonInput;
use crate::json::{expect_json, from_value, parse};
use crate::problem::{FieldProblem, Problem};

/// Of one call.
pub(in crate::users) const BYTES_MAX: usize = 2 << 20;
const LINES_MAX: usize = 1_000;

const LINES_TYPES: [&str; 2] = ["application/x-ndjson", "application/jsonl"];
const COLUMNS: [&str; 7] = [
    "email",
    "name",
    "email_confirmed",
    "password_hash",
    "tenant_id",
    "role",
    "attributes",
];

/// A line, or what is wrong with it.
pub(in crate::users) struct Line {
    pub number: usize,
    /// As far as it can be read.
    pub email: Option<String>,
    pub input: Result<Box<PersonInput>, Vec<FieldProblem>>,
}

/// A body of the JSON API: an array, or with a type of its own one object on each line.
pub(in crate::users) fn from_body(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<Line>, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(str::trim)
        .unwrap_or_default();
    if LINES_TYPES.iter().any(|one| one.eq_ignore_ascii_case(kind)) {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is not UTF-8"))?;
        return bounded(objects(text));
    }
    let [ndjson, jsonl] = LINES_TYPES;
    expect_json(headers, &["application/json", ndjson, jsonl])?;
    let all: Vec<Value> = parse(bytes)?;
    bounded(array(all))
}

/// What an operator pasted: any of the three.
pub(in crate::users) fn from_text(text: &str) -> Result<Vec<Line>, Problem> {
    // The reader of CSV counts a line that ends in both characters late.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let text = text.trim();
    match text.chars().next() {
        Some('[') => bounded(array(parse(text.as_bytes())?)),
        Some('{') => bounded(objects(text)),
        _ => bounded(table(text)?),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

fn bounded(lines: Vec<Line>) -> Result<Vec<Line>, Problem> {
    if (1..=LINES_MAX).contains(&lines.len()) {
        return Ok(lines);
    }
    let detail = format!(
        "one import is of 1 to {LINES_MAX} people, this one of {}",
        lines.len()
    );
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Err(Problem::new(status, "wrong_number_of_lines", detail))
}

fn array(all: Vec<Value>) -> Vec<Line> {
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(place, value)| Line::of(place + 1, value))
        .collect()
}

fn objects(text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(place, text)| match serde_json::from_str(text) {
            Ok(value) => Line::of(place + 1, value),
            Err(_) => Line::wrong(place + 1, "malformed_json", "This line is not JSON."),
        })
        .collect()
}

impl Line {
    fn of(number: usize, value: Value) -> Self {
        if !value.is_object() {
            return Self::wrong(number, "invalid", "A person is a JSON object.");
        }
        let email = value["email"].as_str();
        Self {
            number,
            // For the report; an address is not longer.
            email: email.map(|text| text.chars().take(254).collect()),
            input: from_value(value)
                .map(Box::new)
                .map_err(|problem: Problem| problem.errors),
        }
    }

    fn wrong(number: usize, code: &str, message: &str) -> Self {
        let problem = FieldProblem {
            pointer: String::new(),
            code: code.to_owned(),
            message: message.to_owned(),
        };
        Self {
            number,
            email: None,
            input: Err(vec![problem]),
        }
    }
}

/// CSV (RFC 4180) with a first line of names; spreadsheets in some countries write semicolons.
fn table(text: &str) -> Result<Vec<Line>, Problem> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = match first.contains(';') && !first.contains(',') {
        true => b';',
        false => b',',
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let unreadable = |_| malformed("this is not CSV that can be read");
    let names: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(str::to_lowercase)
        .collect();
    if let Some(unknown) = names.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        let known = COLUMNS.join(", ");
        let detail = format!("the first line names columns, of these: {known}; not {unknown:?}");
        return Err(malformed(&detail));
    }
    if !names.iter().any(|name| name == "email") {
        return Err(malformed("the first line names no column email"));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let number = usize::try_from(line).unwrap_or(usize::MAX);
        lines.push(row(number, &names, &record));
        if lines.len() > LINES_MAX {
            break;
        }
    }
    Ok(lines)
}

fn row(number: usize, names: &[String], record: &csv::StringRecord) -> Line {
    if record.len() != names.len() {
        let message = format!(
            "This line has {} columns and the first one {}. Put what has a comma in it into quotes.",
            record.len(),
            names.len()
        );
        return Line::wrong(number, "wrong_number_of_columns", &message);
    }
    let cells = names
        .iter()
        .zip(record)
        .filter(|(_, text)| !text.is_empty());
    let fields: Map<String, Value> = cells
        .map(|(name, text)| {
            let value = match (name.as_str(), text) {
                ("email_confirmed", "true" | "TRUE" | "True" | "1" | "yes") => Value::Bool(true),
                ("email_confirmed", "false" | "FALSE" | "False" | "0" | "no") => Value::Bool(false),
                ("attributes", text) => {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
                }
                (_, text) => Value::from(text),
            };
            (name.clone(), value)
        })
        .collect();
    Line::of(number, Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Option<String>, Option<String>)> {
        let lines = from_text(text).map_err(|problem| problem.detail);
        let lines = lines.expect("readable");
        let read = lines.into_iter().map(|line| {
            let error = line.input.err().map(|errors| errors[0].code.clone());
            (line.number, line.email, error)
        });
        read.collect()
    }

    #[test]
    fn the_same_people_are_read_from_csv_json_lines_and_an_array() {
        let ada = Some("ada@example.com".to_owned());
        let expected = [(1, ada.clone(), None)];
        assert_eq!(read(r#"{"email":"ada@example.com","role":null}"#), expected);
        assert_eq!(read(r#" [{"email":"ada@example.com"}] "#), expected);
        let expected = [(2, ada, None)];
        for text in [
            "\u{feff}email\nada@example.com\n",
            "Name;Email\r\nAda;ada@example.com\r\n",
            "email,attributes,email_confirmed\nada@example.com,\"{\"\"plan\"\":\"\"x\"\"}\",yes",
            "email,password_hash\nada@example.com,\"$argon2id$v=19$m=1,t=1,p=1$x$y\"",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_at_its_number() {
        let text = "{\"email\":\"a@example.com\"}\n\n{\n{\"emial\":\"x\"}\n[]\n{\"email\":1}";
        let codes: Vec<_> = read(text)
            .into_iter()
            .map(|(number, _, code)| (number, code))
            .collect();
        let code = |text: &str| Some(text.to_owned());
        assert_eq!(
            codes,
            [
                (1, None),
                (3, code("malformed_json")),
                (4, code("unknown_field")),
                (5, code("invalid")),
                (6, code("invalid")),
            ]
        );
        let columns = read("email,name\na@example.com,x,y\n");
        assert_eq!(columns[0].2, code("wrong_number_of_columns"));
    }

    #[test]
    fn what_is_no_import_at_all_is_refused() {
        for (text, code) in [
            ("", "malformed"),
            ("name\nAda", "malformed"),
            ("email,password\na@example.com,x", "malformed"),
            ("[]", "wrong_number_of_lines"),
            ("[1", "malformed_json"),
            (&"{}\n".repeat(1_001), "wrong_number_of_lines"),
            (
                &format!("email\n{}", "a\n".repeat(1_001)),
                "wrong_number_of_lines",
            ),
        ] {
            let found = from_text(text).err().map(|problem| problem.code);
            assert_eq!(found, Some(code), "{text:.40}");
        }
    }
}
