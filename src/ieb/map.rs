//! A 2-D map of vectors as SVG, one panel an encoder.

use std::collections::HashMap;

use plotters::prelude::*;

use crate::error::{Error, ErrorCode, Result};

/// Tasks that get a colour; the others are grey.
const COLOURED: usize = 12;
/// Tableau's categorical palette, and two from Okabe and Ito.
const PALETTE: [RGBColor; COLOURED] = [
    RGBColor(78, 121, 167),
    RGBColor(242, 142, 43),
    RGBColor(225, 87, 89),
    RGBColor(118, 183, 178),
    RGBColor(89, 161, 79),
    RGBColor(237, 201, 72),
    RGBColor(176, 122, 161),
    RGBColor(255, 157, 167),
    RGBColor(156, 117, 95),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(90, 90, 90),
];
const GREY: RGBColor = RGBColor(205, 205, 205);
const PANEL: u32 = 560;
const LEGEND: u32 = 240;
const HEIGHT: u32 = 620;

/// One panel: a title and the place of each row.
pub struct Panel<'a> {
    pub title: &'a str,
    pub points: &'a [[f32; 2]],
}

/// The map as SVG text. `labels` are indices into `names`; the twelve most frequent get a colour.
///
/// # Errors
/// [`ErrorCode::Internal`] when the plot cannot be drawn.
pub fn svg(title: &str, panels: &[Panel<'_>], labels: &[usize], names: &[String]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, panels, labels, names).map_err(|e| Error::new(ErrorCode::Internal, format!("drawing the map: {e}")))?;
    Ok(text)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(text: &mut String, title: &str, panels: &[Panel<'_>], labels: &[usize], names: &[String]) -> Drawn {
    let mut counts = vec![0_usize; names.len()];
    for &label in labels {
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    let mut frequent: Vec<usize> = (0..names.len()).collect();
    frequent.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then(a.cmp(&b)));
    frequent.truncate(COLOURED);
    let colours: HashMap<usize, RGBColor> = frequent.iter().copied().zip(PALETTE).collect();

    let width = PANEL * panels.len() as u32 + LEGEND;
    let root = SVGBackend::with_string(text, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 20))?;
    let (plots, legend) = root.split_horizontally(PANEL * panels.len() as u32);
    for (area, panel) in plots.split_evenly((1, panels.len())).iter().zip(panels) {
        let bounds = |axis: usize| {
            let range = panel.points.iter().map(|p| p[axis]).fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(x), b.max(x)));
            let margin = (range.1 - range.0).max(1e-6) * 0.03;
            range.0 - margin..range.1 + margin
        };
        let mut chart =
            ChartBuilder::on(area).margin(10).caption(panel.title, ("sans-serif", 16)).build_cartesian_2d(bounds(0), bounds(1))?;
        chart.configure_mesh().disable_mesh().disable_axes().draw()?;
        // Grey first, so that it hides nothing.
        let mut order: Vec<usize> = (0..panel.points.len().min(labels.len())).collect();
        order.sort_by_key(|&row| colours.contains_key(&labels[row]));
        chart.draw_series(order.iter().map(|&row| {
            let [x, y] = panel.points[row];
            match colours.get(&labels[row]) {
                Some(colour) => Circle::new((x, y), 4, colour.filled()),
                None => Circle::new((x, y), 3, GREY.filled()),
            }
        }))?;
    }
    let line = |at: usize| 30 + 22 * at as i32;
    for (at, label) in frequent.iter().enumerate() {
        let name: String = names[*label].replace("##", ", ").replace('|', " ").chars().take(28).collect();
        legend.draw(&Circle::new((12, line(at)), 5, PALETTE[at].filled()))?;
        legend.draw(&Text::new(format!("{name} ({})", counts[*label]), (24, line(at) - 7), ("sans-serif", 13)))?;
    }
    if names.len() > frequent.len() {
        legend.draw(&Circle::new((12, line(frequent.len())), 4, GREY.filled()))?;
        let others = format!("{} other tasks", names.len() - frequent.len());
        legend.draw(&Text::new(others, (24, line(frequent.len()) - 7), ("sans-serif", 13)))?;
    }
    root.present()?;
    Ok(())
}
