//! Draws what training gains in one half of the task and loses in the other: a point a model, a line a series.
//!
//! `cargo run --features cli --example frontier -- docs/frontier.jsonl docs/frontier.svg`
//!
//! Each line of the input is `{"series", "model", "clustering", "paraphrase"}`: figures of `pie eval` on development data.

use std::collections::BTreeMap;
use std::error::Error;

use plotters::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Point {
    series: String,
    model: String,
    /// Adjusted Rand index of the benchmark's clustering test.
    clustering: f64,
    /// Share of paraphrases whose nearest neighbour asks the same.
    paraphrase: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        return Err("usage: frontier POINTS.jsonl OUT.svg".into());
    };
    let points: Vec<Point> = std::fs::read_to_string(input)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut series: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
    for point in &points {
        series.entry(&point.series).or_default().push(point);
    }
    let range = |of: fn(&Point) -> f64| {
        let (low, high) = points.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        let margin = 0.08 * (high - low).max(0.05);
        low - margin..high + margin
    };

    let root = SVGBackend::new(&output, (820, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(range(|p| p.clustering), range(|p| p.paraphrase))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("IEB clustering (ARI, development)")
        .y_desc("everyday paraphrases: nearest has the task")
        .draw()?;
    for (n, (name, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(n).to_rgba();
        let places = || points.iter().map(|p| (p.clustering, p.paraphrase));
        chart
            .draw_series(LineSeries::new(places(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(places().map(|place| Circle::new(place, 4, colour.filled())))?;
        chart.draw_series(
            points
                .iter()
                .map(|p| EmptyElement::at((p.clustering, p.paraphrase)) + Text::new(p.model.clone(), (7, -14), ("sans-serif", 13))),
        )?;
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
