//! A bar chart of request counts over time, stacked by status class, drawn on the server.
//!
//! Bars are an SVG that stretches; labels are HTML beside it, so that they keep their size on a
//! phone. The same numbers follow as a table.

use askama::Template;
use askama::filters::HtmlSafe;

use domain::usage::Counts;

use crate::format;

/// Requests of one bucket by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts {
    /// 1xx to 3xx.
    pub success: u64,
    /// The upstream's 4xx.
    pub client_error: u64,
    /// Refused by the gateway for another reason than a limit: 401, 403, 404 …
    pub refused: u64,
    /// Refused with 429: over rate, burst, quota or concurrency.
    pub throttled: u64,
    /// 5xx.
    pub server_error: u64,
    /// The answer broke off.
    pub aborted: u64,
}

impl From<Counts> for StatusCounts {
    fn from(counts: Counts) -> Self {
        Self {
            success: counts.success.saturating_add(counts.redirect),
            client_error: counts.client_error,
            refused: counts.denied,
            throttled: counts.throttled.saturating_add(counts.quota_exceeded),
            server_error: counts.server_error,
            aborted: counts.aborted,
        }
    }
}

impl StatusCounts {
    #[must_use]
    pub fn total(self) -> u64 {
        self.values().into_iter().fold(0, u64::saturating_add)
    }

    fn values(self) -> [u64; SERIES.len()] {
        [
            self.success,
            self.client_error,
            self.refused,
            self.throttled,
            self.server_error,
            self.aborted,
        ]
    }
}

/// The series in the order they are stacked, from the bottom: label and CSS class.
const SERIES: [(&str, &str); 6] = [
    ("Success", "s2"),
    ("Client errors", "s4"),
    ("Refused", "s403"),
    ("Throttled", "s429"),
    ("Server errors", "s5"),
    ("Aborted", "s0"),
];

/// One hour or day.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Short, for the axis: `14:00`, `22 Nov`.
    pub label: String,
    /// Long, for tooltip and table: `22 Nov 2026, 14:00`.
    pub title: String,
    pub counts: StatusCounts,
}

/// Prints as a complete `<figure>`.
#[derive(Debug, Clone, Template)]
#[template(path = "chart.html")]
pub struct Chart {
    /// Unique on the page; prefix of the ids inside.
    id: &'static str,
    title: String,
    summary: String,
    is_empty: bool,
    bars: Vec<Bar>,
    /// From the top.
    ticks: Vec<String>,
    axis: Vec<String>,
    /// Label and CSS class of the series that have any request.
    series: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
}

impl HtmlSafe for Chart {}

#[derive(Debug, Clone)]
struct Bar {
    title: String,
    x: usize,
    parts: Vec<Part>,
}

/// A rectangle in the SVG's units.
#[derive(Debug, Clone)]
struct Part {
    class: &'static str,
    y: u64,
    height: u64,
}

#[derive(Debug, Clone)]
struct Row {
    title: String,
    cells: Vec<String>,
    total: String,
}

/// Height of the plot in the SVG's units; a bar takes `BAR_STEP` of its width.
const PLOT_HEIGHT: u64 = 1000;
const BAR_STEP: usize = 10;
const TICK_COUNT: u64 = 4;
const AXIS_LABELS_MAX: usize = 8;

impl Chart {
    /// `id` must be unique on the page; `title` names what is counted and over which time.
    #[must_use]
    pub fn new(id: &'static str, title: impl Into<String>, buckets: &[Bucket]) -> Self {
        let peak = buckets.iter().map(|b| b.counts.total()).max().unwrap_or(0);
        let total: u64 = buckets.iter().map(|b| b.counts.total()).sum();
        let ceiling = nice_ceiling(peak);
        let shown: Vec<usize> = (0..SERIES.len())
            .filter(|&s| buckets.iter().any(|b| b.counts.values()[s] > 0))
            .collect();
        Self {
            id,
            title: title.into(),
            summary: format!(
                "{} in total, at most {} in one bar",
                format::plural(total, "request"),
                format::thousands(peak)
            ),
            is_empty: total == 0,
            bars: buckets
                .iter()
                .enumerate()
                .map(|(index, bucket)| bar(index, bucket, ceiling))
                .collect(),
            ticks: (0..=TICK_COUNT)
                .rev()
                .map(|tick| format::compact(ceiling / TICK_COUNT * tick))
                .collect(),
            axis: axis(buckets),
            series: shown.iter().map(|&s| SERIES[s]).collect(),
            rows: buckets
                .iter()
                .map(|b| Row {
                    title: b.title.clone(),
                    cells: shown
                        .iter()
                        .map(|&s| format::thousands(b.counts.values()[s]))
                        .collect(),
                    total: format::thousands(b.counts.total()),
                })
                .collect(),
        }
    }

    fn width(&self) -> usize {
        self.bars.len() * BAR_STEP
    }
}

fn bar(index: usize, bucket: &Bucket, ceiling: u64) -> Bar {
    let mut parts = Vec::new();
    let mut below = 0;
    for (value, (_, class)) in bucket.counts.values().into_iter().zip(SERIES) {
        if value == 0 {
            continue;
        }
        let bottom = scaled(below, ceiling);
        below += value;
        // A single request among thousands stays visible.
        let height = (scaled(below, ceiling) - bottom).max(4);
        parts.push(Part {
            class,
            y: PLOT_HEIGHT.saturating_sub(bottom + height),
            height,
        });
    }
    Bar {
        title: format!(
            "{}: {}",
            bucket.title,
            format::plural(bucket.counts.total(), "request")
        ),
        x: index * BAR_STEP,
        parts,
    }
}

fn scaled(value: u64, ceiling: u64) -> u64 {
    let units = u128::from(value) * u128::from(PLOT_HEIGHT) / u128::from(ceiling.max(1));
    u64::try_from(units).unwrap_or(PLOT_HEIGHT)
}

/// The smallest 4, 8, 12, 20, 40, 60, 80 … that is not below `peak`: its quarters are whole.
fn nice_ceiling(peak: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for steps in [4, 8, 12, 20] {
            let ceiling = unit.saturating_mul(steps);
            if ceiling >= peak {
                return ceiling;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Labels that each stand for the same number of bars; where the number of bars cannot be
/// split into a few equal groups (31 days), the first and the last one alone.
fn axis(buckets: &[Bucket]) -> Vec<String> {
    let count = buckets.len();
    let even_step =
        (1..=count / 2).find(|step| count.is_multiple_of(*step) && count / step <= AXIS_LABELS_MAX);
    let step = even_step.unwrap_or(count.saturating_sub(1)).max(1);
    buckets
        .iter()
        .step_by(step)
        .map(|b| b.label.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_ends_on_a_round_number_at_or_above_the_peak() {
        for (peak, expected) in [
            (0, 4),
            (4, 4),
            (5, 8),
            (9, 12),
            (13, 20),
            (21, 40),
            (120, 120),
            (121, 200),
            (9_999, 12_000),
        ] {
            assert_eq!(nice_ceiling(peak), expected, "peak {peak}");
        }
        assert_eq!(nice_ceiling(u64::MAX), u64::MAX);
    }

    #[test]
    fn bars_stack_without_gaps_and_stay_inside_the_plot() {
        let counts = StatusCounts {
            success: 60,
            client_error: 20,
            refused: 5,
            throttled: 10,
            server_error: 3,
            aborted: 2,
        };
        let bucket = Bucket {
            label: "14:00".to_owned(),
            title: "22 Nov 2026, 14:00".to_owned(),
            counts,
        };
        let drawn = bar(0, &bucket, nice_ceiling(counts.total()));
        let mut top = PLOT_HEIGHT;
        for part in &drawn.parts {
            assert_eq!(part.y + part.height, top);
            top = part.y;
        }
        assert!(top < PLOT_HEIGHT);
    }

    #[test]
    fn series_without_requests_are_left_out() {
        let bucket = Bucket {
            label: "1".to_owned(),
            title: "1".to_owned(),
            counts: StatusCounts {
                success: 3,
                ..StatusCounts::default()
            },
        };
        assert_eq!(
            Chart::new("chart", "Requests", &[bucket]).series,
            [SERIES[0]]
        );
    }
}
