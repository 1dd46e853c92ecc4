//! Loss and quality over a run, as SVG.

use std::fs;
use std::path::Path;

use plotters::prelude::*;
use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};

const SIZE: (u32, u32) = (900, 560);

type Points = Vec<(f64, f64)>;

/// Draws what `metrics.jsonl` holds: loss above, development figures below.
///
/// # Errors
/// [`ErrorCode::Io`].
pub fn draw(path: &Path, metrics: &[Value]) -> Result<()> {
    let points = |kind: &str, field: &str| -> Points {
        let rows = metrics.iter().filter(|row| row["kind"] == kind);
        rows.filter_map(|row| Some((row["step"].as_f64()?, row[field].as_f64()?))).collect()
    };
    let loss = points("step", "loss");
    let nearest = points("dev", "nearest");
    let correlation = points("dev", "correlation");
    if loss.is_empty() {
        return Ok(());
    }
    let mut svg = String::new();
    plot(&mut svg, &loss, &nearest, &correlation).map_err(|e| Error::new(ErrorCode::Internal, format!("{}: {e}", path.display())))?;
    let beside = path.with_extension("svg.tmp");
    fs::write(&beside, svg).map_err(|e| Error::io(&beside, e))?;
    fs::rename(&beside, path).map_err(|e| Error::io(path, e))
}

fn plot(svg: &mut String, loss: &Points, nearest: &Points, correlation: &Points) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(SIZE.1 / 2);
    let last = loss.iter().chain(nearest).map(|p| p.0).fold(1.0, f64::max);
    let highest = loss.iter().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);

    let mut chart = ChartBuilder::on(&above)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, 0.0..highest * 1.05)?;
    chart.configure_mesh().x_desc("step").y_desc("loss").light_line_style(TRANSPARENT).draw()?;
    chart.draw_series(LineSeries::new(loss.iter().copied(), BLUE.mix(0.25)))?;
    chart.draw_series(LineSeries::new(smooth(loss), BLUE.stroke_width(2)))?;

    let lowest = nearest.iter().chain(correlation).map(|p| p.1).fold(0.0, f64::min);
    let mut chart =
        ChartBuilder::on(&below).margin(12).x_label_area_size(30).y_label_area_size(50).build_cartesian_2d(0.0..last, lowest..1.0)?;
    chart.configure_mesh().x_desc("step").y_desc("development").light_line_style(TRANSPARENT).draw()?;
    for (name, series, colour) in [("nearest neighbour has the task", nearest, RED), ("correlation with same task", correlation, GREEN)] {
        chart
            .draw_series(LineSeries::new(series.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
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
