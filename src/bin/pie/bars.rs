//! Counts as horizontal bars, as SVG.

use pie_embed_wasm::{Error, ErrorCode, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Of a bar with its gap, of the space for names, of all bars, and of the heading.
const BAR: i32 = 22;
const NAMES: i32 = 220;
const WIDTH: i32 = 420;
const HEADING: i32 = 40;
/// Characters of a name that are shown.
const SHOWN: usize = 30;

/// A bar each, in the order given, as SVG text.
pub fn svg(title: &str, bars: &[(&str, usize)]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, title, bars).map_err(|e| Error::new(ErrorCode::Internal, format!("drawing the bars: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String, title: &str, bars: &[(&str, usize)]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let size = (NAMES + WIDTH + 60, HEADING + BAR * bars.len() as i32 + 12);
    let area = SVGBackend::with_string(text, (size.0 as u32, size.1 as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(title, (12, 12), font(16)))?;
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (top, (name, count)) in (HEADING..).step_by(BAR as usize).zip(bars) {
        let name: String = name.chars().take(SHOWN).chain((name.chars().count() > SHOWN).then_some('…')).collect();
        let (middle, end) = (top + BAR / 2, NAMES + (f64::from(WIDTH) * *count as f64 / most as f64) as i32);
        area.draw(&Text::new(name, (NAMES - 8, middle), font(13).pos(Pos::new(HPos::Right, VPos::Center))))?;
        area.draw(&Rectangle::new([(NAMES, top + 3), (end, top + BAR - 3)], Palette99::pick(0).filled()))?;
        area.draw(&Text::new(count.to_string(), (end + 6, middle), font(13).pos(Pos::new(HPos::Left, VPos::Center))))?;
    }
    area.present()?;
    Ok(())
}
