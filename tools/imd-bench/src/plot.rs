//! Runs as a picture: the percentile curve of their latencies above, throughput over time below.

pub mod growth;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::report::Report;

const SIZE: (u32, u32) = (1_100, 900);
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 44, 52);
const GRID: RGBColor = RGBColor(225, 228, 232);
/// Told apart by people who see colours differently, too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A line and what it is called.
struct Line {
    label: String,
    points: Vec<(f64, f64)>,
}

/// Draws runs, each with its name, as SVG.
///
/// # Errors
/// There is nothing to draw, or it could not be drawn.
pub fn draw(title: &str, runs: &[(String, &Report)]) -> Result<String, String> {
    let curves = lines(runs, |report| {
        let latency = report.latency.iter();
        latency
            .filter(|latency| latency.count > 0)
            .map(|latency| {
                let points = latency.curve.iter().map(|(q, us)| (rarity(*q), *us));
                (latency.name.clone(), points.collect())
            })
            .collect()
    });
    if curves.is_empty() {
        return Err("there is nothing to draw".to_owned());
    }
    let throughput = lines(runs, |report| {
        let throughput = report.throughput.iter();
        throughput
            .filter(|one| one.series.len() > 1)
            .map(|one| {
                let points = one
                    .series
                    .iter()
                    .map(|point| (point.at_s, point.per_second));
                (one.name.clone(), points.collect())
            })
            .collect()
    });
    let mut svg = String::new();
    paint(&mut svg, title, &curves, &throughput).map_err(|error| format!("drawing: {error}"))?;
    Ok(svg)
}

fn lines(
    runs: &[(String, &Report)],
    of: impl Fn(&Report) -> Vec<(String, Vec<(f64, f64)>)>,
) -> Vec<Line> {
    let all = runs.iter().flat_map(|(run, report)| {
        let lines = of(report).into_iter().map(|(name, points)| Line {
            label: if runs.len() > 1 {
                format!("{run}: {name}")
            } else {
                name
            },
            points,
        });
        lines.collect::<Vec<_>>()
    });
    all.collect()
}

/// How many tenfold steps a quantile is from the whole: 0.99 is 2.
fn rarity(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-12).log10()
}

fn quantile_label(rarity: f64) -> String {
    let step = rarity.round();
    if (rarity - step).abs() > 1e-6 {
        return String::new();
    }
    match step as u32 {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        nines => format!("99.{} %", "9".repeat(nines as usize - 2)),
    }
}

/// A latency on the axis: 1, 2 or 5 times a power of ten, since more labels would not fit a logarithmic scale.
fn time_label(us: f64) -> String {
    let power = 10f64.powf((us.log10() + 1e-9).floor());
    let lead = (us / power).round();
    if !matches!(lead as u32, 1 | 2 | 5) {
        return String::new();
    }
    match lead * power {
        us if us < 1_000.0 => format!("{us} µs"),
        us if us < 1_000_000.0 => format!("{} ms", us / 1_000.0),
        us => format!("{} s", us / 1_000_000.0),
    }
}

fn extent(lines: &[Line], of: fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let values = lines.iter().flat_map(|line| line.points.iter().map(of));
    values.fold((f64::INFINITY, 0.0), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

fn paint(
    svg: &mut String,
    title: &str,
    curves: &[Line],
    throughput: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.margin(12, 0, 0, 30);
    let root = root.titled(title, (FONT, 22).into_font().color(&INK))?;
    let areas = match throughput.is_empty() {
        true => vec![root],
        false => {
            let (above, below) = root.split_vertically(SIZE.1 * 11 / 20);
            vec![above, below]
        }
    };
    let (_, rarest) = extent(curves, |point| point.0);
    let (low, high) = extent(curves, |point| point.1);
    let mut chart = ChartBuilder::on(&areas[0])
        .caption("Latency by percentile", (FONT, 17).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(85)
        .build_cartesian_2d(
            0.0..rarest.max(1.0),
            (low.max(0.1) * 0.8..high.max(1.0) * 1.25).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(rarest.ceil() as usize + 2)
        .x_label_formatter(&|rarity| quantile_label(*rarity))
        .y_label_formatter(&|us| time_label(*us))
        .x_desc("share of calls at most this long")
        .y_desc("latency")
        .label_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    put_lines(&mut chart, curves, SeriesLabelPosition::UpperLeft)?;
    let Some(area) = areas.get(1) else {
        return Ok(areas[0].present()?);
    };
    let (_, last_s) = extent(throughput, |point| point.0);
    let (_, most) = extent(throughput, |point| point.1);
    let mut chart = ChartBuilder::on(area)
        .caption("Throughput over time", (FONT, 17).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(85)
        .build_cartesian_2d(0.0..last_s, 0.0..(most * 1.1).max(1.0))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .y_label_formatter(&|value| grouped(*value))
        .x_desc("seconds")
        .y_desc("a second")
        .label_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    put_lines(&mut chart, throughput, SeriesLabelPosition::LowerRight)?;
    Ok(area.present()?)
}

/// Puts lines on a chart whose axes stand, and what they are called into a corner.
fn put_lines<'a, Backend: DrawingBackend + 'a, Y: Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'a, Backend, Cartesian2d<RangedCoordf64, Y>>,
    lines: &[Line],
    corner: SeriesLabelPosition,
) -> Result<(), DrawingAreaErrorKind<Backend::ErrorType>> {
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(&line.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font((FONT, 14).into_font().color(&INK))
        .draw()
}

/// A number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Latency, Point, Throughput};

    fn report(factor: f64) -> Report {
        let curve = (0..60).map(|n| {
            let rarity = f64::from(n) / 20.0;
            (
                1.0 - 10f64.powf(-rarity),
                factor * (50.0 + rarity * rarity * 40.0),
            )
        });
        let series = (0..50).map(|n| Point {
            at_s: f64::from(n) * 0.1 + 0.05,
            per_second: factor * 100_000.0,
            ..Point::default()
        });
        Report {
            latency: vec![Latency {
                name: "response".into(),
                count: 1_000,
                curve: curve.collect(),
                ..Latency::default()
            }],
            throughput: vec![Throughput {
                name: "response".into(),
                series: series.collect(),
                ..Throughput::default()
            }],
            ..Report::default()
        }
    }

    #[test]
    fn a_picture_names_its_runs_and_axes() {
        let (one, two) = (report(1.0), report(1.5));
        let svg = draw("Two runs", &[("a".into(), &one), ("b".into(), &two)]).unwrap();
        for text in [
            "Two runs",
            "a: response",
            "b: response",
            "99 %",
            "seconds",
            "100,000",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn nothing_cannot_be_drawn() {
        assert!(draw("", &[("a".into(), &Report::default())]).is_err());
    }

    #[test]
    fn the_axis_of_latency_has_round_labels() {
        let shown = [0.5, 1.0, 30.0, 50.0, 999.999_999, 2_000.0, 5e6].map(time_label);
        assert_eq!(
            shown,
            ["0.5 µs", "1 µs", "", "50 µs", "1 ms", "2 ms", "5 s"]
        );
    }

    #[test]
    fn thousands_stand_apart() {
        let shown = [0.0, 999.0, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
