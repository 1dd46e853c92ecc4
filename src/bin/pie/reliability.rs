//! A reliability diagram: how often the first label is right, against the score it was given (Guo et al. 2017, arXiv 1706.04599).

use pie_embed_wasm::tasks::BuildReport;
use pie_embed_wasm::{Error, ErrorCode, Result};
use plotters::prelude::*;

const PANEL: u32 = 420;
const HEIGHT: u32 = 460;

/// One panel a level, as SVG text.
pub fn svg(title: &str, reports: &[BuildReport]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, reports).map_err(|e| Error::new(ErrorCode::Internal, format!("drawing the reliability diagram: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String, title: &str, reports: &[BuildReport]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, (PANEL * reports.len() as u32, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 18))?;
    for (area, report) in root.split_evenly((1, reports.len())).iter().zip(reports) {
        let fit = &report.fit;
        let caption = format!("{}: calibration error {:.3}", report.level.plural(), fit.error);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(caption, ("sans-serif", 15))
            .x_label_area_size(36)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart.configure_mesh().x_desc("score of the first label").y_desc("share that is right").light_line_style(TRANSPARENT).draw()?;
        // A bar's colour is as full as its bin is.
        let fullest = fit.bins.iter().map(|bin| bin.weight).fold(f64::MIN_POSITIVE, f64::max);
        let width = 1.0 / fit.bins.len() as f64;
        chart.draw_series(fit.bins.iter().enumerate().filter(|(_, bin)| bin.weight > 0.0).map(|(n, bin)| {
            let from = n as f64 * width;
            let colour = BLUE.mix(0.15 + 0.65 * bin.weight / fullest);
            Rectangle::new([(from + 0.004, 0.0), (from + width - 0.004, bin.right)], colour.filled())
        }))?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], BLACK.mix(0.5)))?;
        chart
            .draw_series(fit.bins.iter().filter(|bin| bin.weight > 0.0).map(|bin| Circle::new((bin.score, bin.right), 3, RED.filled())))?;
    }
    root.present()?;
    Ok(())
}
