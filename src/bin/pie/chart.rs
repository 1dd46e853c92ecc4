//! Curves side by side, as SVG.

use pie_embed_wasm::{Error, ErrorCode, Result};
use plotters::prelude::*;

const PANEL: (u32, u32) = (520, 420);

/// A line, and where it comes from many draws the range that they fill.
pub struct Series<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
    /// `(x, low, high)`
    pub band: Vec<(f64, f64, f64)>,
}

/// One plot.
pub struct Panel<'a> {
    pub x: &'a str,
    pub y: &'a str,
    pub series: Vec<Series<'a>>,
}

/// The panels in a row, as SVG text.
pub fn svg(title: &str, panels: &[Panel<'_>]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, panels).map_err(|e| Error::new(ErrorCode::Internal, format!("drawing the curves: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String, title: &str, panels: &[Panel<'_>]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, (PANEL.0 * panels.len() as u32, PANEL.1)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 18))?;
    for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(panels) {
        let points = || panel.series.iter().flat_map(|s| s.points.iter().copied());
        let ends = panel.series.iter().flat_map(|s| s.band.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)]));
        let (mut right, mut low, mut high) = (f64::MIN_POSITIVE, f64::MAX, f64::MIN);
        for (x, y) in points().chain(ends) {
            (right, low, high) = (right.max(x), low.min(y), high.max(y));
        }
        let margin = (high - low).max(1e-6) * 0.05;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..right * 1.02, low - margin..high + margin)?;
        chart.configure_mesh().x_desc(panel.x).y_desc(panel.y).light_line_style(TRANSPARENT).draw()?;
        for (n, series) in panel.series.iter().enumerate() {
            let colour = Palette99::pick(n).to_rgba();
            let above = series.band.iter().map(|&(x, _, high)| (x, high));
            let below = series.band.iter().rev().map(|&(x, low, _)| (x, low));
            chart.draw_series([Polygon::new(above.chain(below).collect::<Vec<_>>(), colour.mix(0.15))])?;
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)).point_size(2))?
                .label(series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        // The corner that curves from the left upper or lower one leave free.
        let falls = panel.series.iter().any(|s| s.points.first().zip(s.points.last()).is_some_and(|(first, last)| first.1 > last.1));
        let corner = if falls { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
        chart.configure_series_labels().position(corner).background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).draw()?;
    }
    root.present()?;
    Ok(())
}
