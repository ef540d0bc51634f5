//! How cost grows, as a picture: measured values over a quantity on a logarithmic axis, such as throughput and a percentile over connections.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Deserialize;

use super::{COLOURS, FONT, GRID, INK};

const SIZE: (u32, u32) = (1_000, 560);
const POINT_RADIUS: u32 = 4;
/// The part of the picture's height that a line of the legend takes.
const LEGEND_SHARE: f64 = 0.05;

/// What is drawn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// What the picture shows.
    pub title: String,
    /// How and where it was measured; stands below the title.
    #[serde(default)]
    pub subtitle: String,
    /// What grows, such as `connections`.
    pub x: String,
    /// What is measured on the left axis, with its unit.
    pub left: String,
    /// What is measured on the right axis, with its unit; there is none if it is missing.
    pub right: Option<String>,
    /// The measurements.
    pub lines: Vec<Line>,
}

/// A quantity at each point.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it is called.
    pub label: String,
    /// Where it is read.
    pub axis: Axis,
    /// What grows, above zero, and what was measured, not below zero; from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A side of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// Draws it as SVG.
///
/// # Errors
/// There is nothing to draw, a value has no place on its axis, or it could not be drawn.
pub fn draw(growth: &Growth) -> Result<String, String> {
    let mut points = growth.lines.iter().flat_map(|line| &line.points).peekable();
    if points.peek().is_none() {
        return Err("there is nothing to draw".to_owned());
    }
    if let Some((x, y)) = points.find(|(x, y)| !(x.is_normal() && *x > 0.0 && *y >= 0.0)) {
        return Err(format!("({x}, {y}) has no place in the picture"));
    }
    let is_right = |line: &Line| line.axis == Axis::Right;
    if growth.right.is_none() && growth.lines.iter().any(is_right) {
        return Err("there is no right axis".to_owned());
    }
    let mut svg = String::new();
    paint(&mut svg, growth).map_err(|error| format!("drawing: {error}"))?;
    Ok(svg)
}

fn paint(svg: &mut String, growth: &Growth) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.margin(12, 12, 12, 12);
    let root = root.titled(&growth.title, (FONT, 20).into_font().color(&INK))?;
    let root = match growth.subtitle.is_empty() {
        true => root,
        false => root.titled(&growth.subtitle, (FONT, 13).into_font().color(&INK))?,
    };
    chart(&root, growth)?;
    Ok(root.present()?)
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    growth: &Growth,
) -> Result<(), Box<dyn std::error::Error>> {
    let right_label_px = if growth.right.is_some() { 85 } else { 30 };
    let x = breadth(&growth.lines);
    let [left, right] = [Axis::Left, Axis::Right].map(|axis| height(&growth.lines, axis));
    let (left_most, right_most) = (left.end, right.end);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(45)
        .y_label_area_size(85)
        .right_y_label_area_size(right_label_px)
        .build_cartesian_2d(x.clone().log_scale(), left)?
        .set_secondary_coord(x.log_scale(), right);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_label_formatter(&|x| amount(*x))
        .y_label_formatter(&|y| value(*y, left_most))
        .x_desc(&growth.x)
        .y_desc(&growth.left)
        .label_style((FONT, 14).into_font().color(&INK))
        .draw()?;
    if let Some(right) = &growth.right {
        chart
            .configure_secondary_axes()
            .axis_style(INK)
            .y_label_formatter(&|y| value(*y, right_most))
            .y_desc(right)
            .label_style((FONT, 14).into_font().color(&INK))
            .draw()?;
    }
    for (index, line) in growth.lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points = || line.points.iter().copied();
        let series = LineSeries::new(points(), colour.stroke_width(2));
        // What is read on the right has hollow points.
        let style = match line.axis {
            Axis::Left => colour.filled(),
            Axis::Right => colour.stroke_width(2),
        };
        let circles = points().map(|at| Circle::new(at, POINT_RADIUS, style));
        let named = match line.axis {
            Axis::Left => {
                chart.draw_series(circles)?;
                chart.draw_series(series)?
            }
            Axis::Right => {
                chart.draw_secondary_series(circles)?;
                chart.draw_secondary_series(series)?
            }
        };
        let side = match (&growth.right, line.axis) {
            (None, _) => "",
            (_, Axis::Left) => " (left)",
            (_, Axis::Right) => " (right)",
        };
        named
            .label(format!("{}{side}", line.label))
            .legend(move |(x, y)| {
                EmptyElement::at((x, y))
                    + PathElement::new([(0, 0), (22, 0)], colour.stroke_width(3))
                    + Circle::new((11, 0), POINT_RADIUS, style)
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font((FONT, 14).into_font().color(&INK))
        .draw()?;
    Ok(())
}

/// The horizontal axis: from the least to the most, and a little room.
fn breadth(lines: &[Line]) -> Range<f64> {
    let all = || lines.iter().flat_map(|line| &line.points);
    let low = all().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let high = all().map(|point| point.0).fold(0.0, f64::max);
    low / 1.2..high * 1.2
}

/// A vertical axis: from zero, so that what does not grow looks flat, to where the legend has room above all lines.
fn height(lines: &[Line], axis: Axis) -> Range<f64> {
    let on_axis = lines.iter().filter(|line| line.axis == axis);
    let values = on_axis.flat_map(|line| line.points.iter().map(|point| point.1));
    let most = values.fold(0.0, f64::max);
    let legend = (LEGEND_SHARE * (lines.len() + 1) as f64).min(0.5);
    0.0..if most > 0.0 {
        most / (1.0 - legend)
    } else {
        1.0
    }
}

/// What grows: 1, 2 or 5 times a power of ten, since more labels would not fit a logarithmic scale.
fn amount(x: f64) -> String {
    let power = 10f64.powf((x.log10() + 1e-9).floor());
    let lead = (x / power).round();
    if !matches!(lead as u32, 1 | 2 | 5) {
        return String::new();
    }
    match lead * power {
        x if x < 1e3 => format!("{x}"),
        x if x < 1e6 => format!("{} k", x / 1e3),
        x => format!("{} M", x / 1e6),
    }
}

/// A value on an axis that ends at `most`: as many digits as tell its labels apart.
fn value(y: f64, most: f64) -> String {
    match most {
        most if most >= 1e6 => format!("{:.2} M", y / 1e6),
        most if most >= 1e4 => format!("{:.0} k", y / 1e3),
        most if most >= 20.0 => format!("{y:.0}"),
        most if most >= 2.0 => format!("{y:.1}"),
        _ => format!("{y:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: &str = r#"{"title": "Growth", "subtitle": "somewhere", "x": "connections",
        "left": "a second", "right": "p99, ms", "lines": [
            {"label": "echoes", "axis": "left", "points": [[100, 90000], [1000, 80000], [100000, 60000]]},
            {"label": "p99", "axis": "right", "points": [[100, 0.2], [1000, 0.4], [100000, 3.5]]}]}"#;

    fn growth() -> Growth {
        serde_json::from_str(GROWTH).unwrap()
    }

    #[test]
    fn a_picture_names_its_axes_and_lines() {
        let svg = draw(&growth()).unwrap();
        for text in [
            "Growth",
            "somewhere",
            "connections",
            "a second",
            "p99, ms",
            "echoes (left)",
            "p99 (right)",
            "10 k",
            "80 k",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 3 + 3 + 2);
    }

    #[test]
    fn one_axis_is_enough() {
        let mut growth = growth();
        growth.right = None;
        assert!(draw(&growth).is_err());
        growth.lines.pop();
        assert!(!draw(&growth).unwrap().contains("(left)"));
    }

    #[test]
    fn what_has_no_place_is_not_drawn() {
        let mut growth = growth();
        for point in [(0.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0), (1.0, -1.0)] {
            growth.lines[0].points[1] = point;
            assert!(draw(&growth).is_err(), "{point:?}");
        }
        growth.lines.clear();
        assert!(draw(&growth).is_err());
    }

    #[test]
    fn labels_are_short() {
        let shown = [1.0, 20.0, 300.0, 5_000.0, 99_999.999_9, 1e7].map(amount);
        assert_eq!(shown, ["1", "20", "", "5 k", "100 k", "10 M"]);
        assert_eq!(value(1_500_000.0, 2e6), "1.50 M");
        assert_eq!(value(60_000.0, 9e4), "60 k");
        assert_eq!(value(0.25, 1.0), "0.25");
    }
}
