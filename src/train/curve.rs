//! Loss and quality over a run, as SVG.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};

const SIZE: (u32, u32) = (900, 560);

type Points = Vec<(f64, f64)>;

/// Draws what `metrics.jsonl` holds: loss above; below, for each development set, the share of right nearest neighbours (a full line)
/// and how well clusters agree with tasks (a thin one).
///
/// # Errors
/// [`ErrorCode::Io`].
pub fn draw<'r>(path: &Path, metrics: impl Iterator<Item = &'r Value> + Clone) -> Result<()> {
    let points = |row: &Value, field: &str| Some((row["step"].as_f64()?, row[field].as_f64()?));
    let loss: Points = metrics.clone().filter(|row| row["kind"] == "step").filter_map(|row| points(row, "loss")).collect();
    if loss.is_empty() {
        return Ok(());
    }
    let mut sets: BTreeMap<&str, [Points; 2]> = BTreeMap::new();
    for row in metrics.filter(|row| row["kind"] == "dev") {
        let lines = sets.entry(row["set"].as_str().unwrap_or_default()).or_default();
        lines[0].extend(points(row, "nearest"));
        lines[1].extend(points(row, "clustering"));
    }
    let mut svg = String::new();
    plot(&mut svg, &loss, &sets).map_err(|e| Error::new(ErrorCode::Internal, format!("{}: {e}", path.display())))?;
    let beside = path.with_extension("svg.tmp");
    fs::write(&beside, svg).map_err(|e| Error::io(&beside, e))?;
    fs::rename(&beside, path).map_err(|e| Error::io(path, e))
}

fn plot(svg: &mut String, loss: &Points, sets: &BTreeMap<&str, [Points; 2]>) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(SIZE.1 * 2 / 5);
    let last = loss.iter().chain(sets.values().flatten().flatten()).map(|p| p.0).fold(1.0, f64::max);
    let highest = loss.iter().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);

    let mut chart = ChartBuilder::on(&above)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, 0.0..highest * 1.05)?;
    chart.configure_mesh().x_desc("step").y_desc("loss").light_line_style(TRANSPARENT).draw()?;
    chart.draw_series(LineSeries::new(loss.iter().copied(), BLUE.mix(0.25)))?;
    chart.draw_series(LineSeries::new(smooth(loss), BLUE.stroke_width(2)))?;

    let mut chart =
        ChartBuilder::on(&below).margin(12).x_label_area_size(30).y_label_area_size(50).build_cartesian_2d(0.0..last, 0.0..1.0)?;
    chart.configure_mesh().x_desc("step").y_desc("development").light_line_style(TRANSPARENT).draw()?;
    for (n, (set, [nearest, clustering])) in sets.iter().enumerate() {
        let colour = Palette99::pick(n).to_rgba();
        for (name, series, width) in [("nearest", nearest, 3), ("clustering", clustering, 1)] {
            let style = colour.stroke_width(width);
            chart
                .draw_series(LineSeries::new(series.iter().copied(), style).point_size(2))?
                .label(format!("{set}: {name}"))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
    }
    if !sets.is_empty() {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
    }
    root.present()?;
    Ok(())
}

/// A running mean that begins at the first point.
fn smooth(points: &Points) -> impl Iterator<Item = (f64, f64)> + '_ {
    let mut mean = None;
    points.iter().map(move |&(x, y)| {
        let smoothed = mean.map_or(y, |mean: f64| 0.9 * mean + 0.1 * y);
        mean = Some(smoothed);
        (x, smoothed)
    })
}
