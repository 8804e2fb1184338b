//! `/admin/upstreams/new` and `/admin/upstreams/{upstream}`.

use domain::upstream::NewTarget;
use serde::{Deserialize, Serialize};

use super::{FormErrors, optional_number, required};

/// Targets are rows: the n-th `target_url` goes with the n-th `target_weight`; rows without an
/// address are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
    pub target_url: Vec<String>,
    pub target_weight: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamFields {
    pub name: String,
    /// Address and weight.
    pub targets: Vec<(String, u32)>,
}

impl UpstreamForm {
    pub fn parse(&self) -> Result<UpstreamFields, FormErrors> {
        let mut errors = FormErrors::default();
        let name = required(
            &mut errors,
            "name",
            &self.name,
            "Enter a name, such as orders-service.",
        );
        let mut targets = Vec::new();
        for (place, (url, weight)) in self.rows().enumerate() {
            if url.is_empty() {
                continue;
            }
            let weight = optional_number(&mut errors, "targets", weight).unwrap_or(1);
            let weight = u32::try_from(weight).unwrap_or(u32::MAX);
            if let Err(error) = NewTarget::parse(url, weight) {
                errors.add(error.at(format!("targets.{place}")));
            }
            targets.push((url.to_owned(), weight));
        }
        if targets.is_empty() {
            errors.insert("targets", "Enter at least one target.");
        } else if targets.iter().all(|(_, weight)| *weight == 0) {
            errors.insert("targets", "At least one target needs a weight above 0.");
        }
        errors.or(UpstreamFields { name, targets })
    }

    /// The rows as typed.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.target_url.iter().enumerate().map(|(index, url)| {
            let weight = self.target_weight.get(index).map_or("", String::as_str);
            (url.trim(), weight.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form(rows: &[(&str, &str)]) -> UpstreamForm {
        UpstreamForm {
            name: "orders".to_owned(),
            edition: String::new(),
            target_url: rows.iter().map(|(url, _)| (*url).to_owned()).collect(),
            target_weight: rows.iter().map(|(_, w)| (*w).to_owned()).collect(),
        }
    }

    #[test]
    fn blank_rows_are_left_out_and_weight_defaults_to_one() {
        let parsed = form(&[("http://10.0.0.1:80", ""), ("", ""), ("https://b:443", "5")])
            .parse()
            .unwrap();
        assert_eq!(
            parsed.targets,
            [
                ("http://10.0.0.1:80".to_owned(), 1),
                ("https://b:443".to_owned(), 5)
            ]
        );
    }

    #[test]
    fn targets_that_cannot_work_are_refused() {
        for rows in [
            &[][..],
            &[("ftp://a", "1")],
            &[("http://a", "0")],
            &[("http://a", "1001")],
            &[("http://a", "x")],
        ] {
            assert!(form(rows).parse().unwrap_err().get("targets").is_some());
        }
    }
}
