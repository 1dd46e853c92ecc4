//! Square matrices as heat maps, as SVG: light is low, dark is high.

use pie_embed_wasm::{Error, ErrorCode, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Of a cell, of the space for names, and of a panel's heading.
const CELL: i32 = 46;
const NAMES: i32 = 150;
const HEADING: i32 = 60;

/// `[n, n]`, row-major.
pub struct Matrix<'a> {
    pub title: &'a str,
    pub values: &'a [f64],
}

/// The matrices in a row, rows and columns in the order given, as SVG text.
pub fn svg(names: &[&str], order: &[usize], matrices: &[Matrix<'_>]) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, names, order, matrices).map_err(|e| Error::new(ErrorCode::Internal, format!("drawing the heat map: {e}")))?;
    Ok(text)
}

fn draw(
    text: &mut String,
    names: &[&str],
    order: &[usize],
    matrices: &[Matrix<'_>],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let n = order.len();
    let panel = (NAMES + CELL * n as i32 + 30, HEADING + CELL * n as i32 + NAMES);
    let root = SVGBackend::with_string(text, (panel.0 as u32 * matrices.len() as u32, panel.1 as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    for (area, matrix) in root.split_evenly((1, matrices.len())).iter().zip(matrices) {
        area.draw(&Text::new(matrix.title, (NAMES, 22), font(16)))?;
        // A data set is like itself: in the scale of colours its own cell would leave no room for the others.
        let others = matrix.values.iter().enumerate().filter(|(at, _)| at / n != at % n);
        let (low, high) = others.fold((f64::MAX, f64::MIN), |(low, high), (_, &v)| (low.min(v), high.max(v)));
        for (row, &a) in order.iter().enumerate() {
            let name: String = names[a].chars().take(20).collect();
            let middle = |at: usize| CELL * at as i32 + CELL / 2;
            let (beside, below) = ((NAMES - 8, HEADING + middle(row)), (NAMES + middle(row), HEADING + CELL * n as i32 + 8));
            area.draw(&Text::new(name.clone(), beside, font(13).pos(Pos::new(HPos::Right, VPos::Center))))?;
            area.draw(&Text::new(name, below, font(13).transform(FontTransform::Rotate90)))?;
            for (column, &b) in order.iter().enumerate() {
                let value = matrix.values[a * n + b];
                let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
                let corner = (NAMES + CELL * column as i32, HEADING + CELL * row as i32);
                let (red, green, blue) = ((247.0 - 239.0 * share) as u8, (251.0 - 203.0 * share) as u8, (255.0 - 148.0 * share) as u8);
                area.draw(&Rectangle::new([corner, (corner.0 + CELL, corner.1 + CELL)], RGBColor(red, green, blue).filled()))?;
                let ink = if share > 0.55 { WHITE } else { BLACK };
                let style = ("sans-serif", 12).into_font().color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
                // Four places where values are small, as Wasserstein distances of unit vectors are.
                let digits = if high < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") };
                area.draw(&Text::new(digits, (corner.0 + CELL / 2, corner.1 + CELL / 2), style))?;
            }
        }
    }
    root.present()?;
    Ok(())
}
