//! Numbers whose JSON form is not their stored one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Requests per second. In JSON a number with at most three decimals; held in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerSecond {
    pub thousandths: u64,
}

/// Above it a double no longer holds every thousandth.
const LARGEST: f64 = 1e12;

impl Serialize for PerSecond {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.thousandths.is_multiple_of(1000) {
            to.serialize_u64(self.thousandths / 1000)
        } else {
            to.serialize_f64(self.thousandths as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        let thousandths = (number * 1000.0).round();
        if !(0.0..=LARGEST).contains(&number) || (thousandths / 1000.0 - number).abs() > 1e-9 {
            return Err(serde::de::Error::custom(
                "a rate is a number of at least 0 with at most three decimals",
            ));
        }
        Ok(Self {
            thousandths: thousandths as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_decimals() {
        for (text, thousandths) in [
            ("10", Some(10_000)),
            ("0.5", Some(500)),
            ("0.001", Some(1)),
            ("1234.567", Some(1_234_567)),
            ("0.0005", None),
            ("-1", None),
            ("1e300", None),
        ] {
            let found = serde_json::from_str::<PerSecond>(text).ok();
            assert_eq!(found.map(|rate| rate.thousandths), thousandths, "{text}");
            if let Some(rate) = found {
                assert_eq!(serde_json::to_string(&rate).expect("a number"), text);
            }
        }
    }
}
