//! The page of `pie report`: marked up with every text escaped, its style and script inside, and a policy that allows nothing else.

use std::cmp::Reverse;

use base64ct::{Base64, Encoding};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pie_embed_wasm::dataset::Place;
use pie_embed_wasm::tasks::{Hit, is_near_duplicate};
use pie_embed_wasm::{Error, ErrorCode, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Counted, Coverage, Report, Sample, Tally};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Labels with a colour of their own.
const COLOURS: usize = 10;
/// Tasks that are listed; the rest is counted.
const LISTED: usize = 100;
/// Entries of the other lists.
const ENTRIES: usize = 10;
/// Characters of a text on the map and in a list.
const MAP_CHARS: usize = 160;
const LIST_CHARS: usize = 400;
/// The map's frame and margin, and the chart's.
const MAP: [f32; 2] = [1000.0, 640.0];
const MARGIN: f32 = 14.0;
const CHART: [f64; 2] = [640.0, 260.0];
const AXES: [f64; 2] = [52.0, 26.0];

/// The page as HTML.
pub fn render(report: &Report<'_>) -> Result<String> {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        source(SCRIPT),
        source(STYLE)
    );
    let data = map_data(report)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "What " (report.name) " asks for" }
                // Nothing is asked for, not even an icon.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "What " bdi { (report.name) } " asks for" }
                    (summary(report))
                    (tallies(report))
                    (map(report))
                    (typical(report))
                    @if !report.sample.texts.is_empty() { (covered(&report.sample)) }
                    (repeated(report))
                }
                footer {
                    "Made by pie report " (env!("CARGO_PKG_VERSION")) " with the model " bdi { (report.model) }
                    ". Cosines are between the model’s vectors: near texts ask for the same task."
                }
                script type="application/json" id="data" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

/// How a policy names a script or style that stands in the page.
fn source(text: &str) -> String {
    format!("sha256-{}", Base64::encode_string(&Sha256::digest(text)))
}

/// `1,234,567`
fn whole(n: usize) -> String {
    let digits = n.to_string();
    let group = |(at, digit): (usize, char)| [(at > 0 && (digits.len() - at).is_multiple_of(3)).then_some(','), Some(digit)];
    digits.chars().enumerate().flat_map(group).flatten().collect()
}

fn percent(part: usize, of: usize) -> String {
    let share = 100.0 * part as f64 / of.max(1) as f64;
    if share > 0.0 && share < 10.0 { format!("{share:.1} %") } else { format!("{share:.0} %") }
}

/// The beginning of a text, on one line.
fn shortened(text: &str, chars: usize) -> String {
    let cut = text.chars().nth(chars).map(|_| '…');
    text.chars().take(chars).map(|c| if c.is_control() { ' ' } else { c }).chain(cut).collect()
}

fn place(place: &Place) -> String {
    let part = place.part.iter().map(|part| format!("{part}, "));
    let turn = place.turn.iter().map(|turn| format!(", turn {turn}"));
    part.chain([format!("line {}", whole(place.line as usize))]).chain(turn).collect()
}

/// A text of the data set, and where it first stands.
fn entry(report: &Report<'_>, text: usize) -> Markup {
    let pool = report.pool;
    html! {
        q dir="auto" { (shortened(&pool.texts[text], LIST_CHARS)) }
        " " span.where { (place(&pool.places[text])) }
    }
}

fn summary(report: &Report<'_>) -> Markup {
    let (pool, sample) = (report.pool, &report.sample);
    let rows: usize = pool.counts.iter().sum();
    let different = pool.texts.len();
    let near = sample.nearest.iter().flatten().filter(|hit| is_near_duplicate(hit.cosine, report.near_duplicate)).count();
    let mut lengths: Vec<usize> = pool.texts.iter().map(|text| text.chars().count()).collect();
    let median = *lengths.select_nth_unstable(different / 2).1;
    let figure = |value: String, what: &str| html! { div { dd { (value) } dt { (what) } } };
    html! {
        dl.figures {
            (figure(whole(rows), "rows with a text"))
            (figure(percent(rows - different, rows), "of them repeat an earlier row to the letter"))
            (figure(percent(near, sample.texts.len()), "of the different texts have a near-duplicate"))
            @if let Some(tasks) = &report.tasks {
                (figure(whole(tasks.labels.iter().filter(|label| label.known).count()), "tasks are asked for"))
                (figure(whole(half(tasks)), "tasks make up half of the rows that have one"))
                @let unknown = tasks.labels.iter().filter(|label| !label.known).map(|label| label.rows).sum();
                (figure(percent(unknown, rows), "ask for no known task"))
            }
            (figure(whole(median), "characters in the median text"))
        }
        ul.notes {
            @if report.faulty > 0 {
                li { (whole(report.faulty as usize)) " rows could not be read and are left out." }
            }
            @if report.unread > 0 {
                li {
                    (whole(report.unread)) " of the " (whole(different)) " different texts are left out of map, near-duplicates, coverage and the "
                    "typical and unusual texts: the model can read less than half of each, as its vocabulary lacks its script or signs."
                }
            }
            @if sample.texts.len() < different - report.unread {
                li {
                    "Tasks and repeated rows are counted over all rows. Map, near-duplicates, coverage and the typical and unusual "
                    "texts are from a sample of " (whole(sample.texts.len())) " of the " (whole(different - report.unread)) " different texts; the nearest ones are "
                    "sought among all."
                }
            }
            @if report.tasks.is_none() {
                li { "The model has no taxonomy, so that no tasks are named." }
            }
        }
    }
}

/// How many of the most frequent tasks make up half of the rows that have a known one.
fn half(tasks: &Tally) -> usize {
    let rows: usize = tasks.labels.iter().filter(|label| label.known).map(|label| label.rows).sum();
    let mut before = 0;
    let needed = |label: &&Counted| {
        let is_needed = label.known && 2 * before < rows;
        before += label.rows;
        is_needed
    };
    tasks.labels.iter().take_while(needed).count()
}

fn tallies(report: &Report<'_>) -> Markup {
    let rows: usize = report.pool.counts.iter().sum();
    let bars = |title: &str, level: &str, tally: &Tally, coloured: bool| {
        let most = tally.labels.iter().map(|label| label.rows).max().unwrap_or(1);
        html! {
            section {
                h2 { (title) }
                ul.bars tabindex="0" aria-label=(title) {
                    @for (number, label) in tally.labels.iter().enumerate().take(LISTED) {
                        li {
                            button type="button" data-level=(level) data-label=(number) aria-pressed="false" {
                                span.name { (label.name) }
                                span.count { (whole(label.rows)) }
                                span.share { (percent(label.rows, rows)) }
                                svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true" {
                                    @let width = format!("{:.2}", 100.0 * label.rows as f64 / most as f64);
                                    rect class=(if coloured { colour(tally, number) } else { "plain".into() }) width=(width) height="3" {}
                                }
                            }
                        }
                    }
                }
                @if tally.labels.len() > LISTED {
                    @let rest: usize = tally.labels[LISTED..].iter().map(|label| label.rows).sum();
                    p.note { "and " (whole(tally.labels.len() - LISTED)) " more with " (whole(rest)) " rows" }
                }
            }
        }
    };
    html! {
        @if let Some(tasks) = &report.tasks {
            div.halves {
                @if let Some(kinds) = &report.kinds { (bars("Kinds of task", "kind", kinds, true)) }
                (bars("Tasks", "task", tasks, report.kinds.is_none()))
            }
        }
    }
}

/// The class of a label's colour.
fn colour(tally: &Tally, number: usize) -> String {
    if tally.labels[number].known && number < COLOURS { format!("c{number}") } else { "pale".to_owned() }
}

fn map(report: &Report<'_>) -> Markup {
    let sample = &report.sample;
    let coloured = report.kinds.as_ref().or(report.tasks.as_ref());
    let class = |text: usize| coloured.map_or_else(|| "c0".to_owned(), |tally| colour(tally, tally.of[text]));
    // Neither axis means anything, so that each may fill the frame.
    let scale = |axis: usize, places: &[[f32; 2]]| {
        let (low, high) = places.iter().fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place[axis]), high.max(place[axis])));
        (low, (MAP[axis] - 2.0 * MARGIN) / (high - low).max(f32::MIN_POSITIVE))
    };
    html! {
        section {
            h2 { "Map" }
            @match &sample.places {
                None => p.note { "Too few texts for a map." },
                Some(places) => {
                    @let scales = [scale(0, places), scale(1, places)];
                    @let radius = (90.0 / (places.len() as f32).sqrt()).clamp(2.2, 7.0);
                    p.lead {
                        "Texts that ask for the like lie near each other (t-SNE); neither axis means anything by itself. A bar above "
                        "leaves only its rows."
                    }
                    div.find {
                        label for="find" { "Find" }
                        input type="search" id="find" autocomplete="off" spellcheck="false";
                        output id="shown" { (whole(places.len())) " texts" }
                    }
                    div id="map" tabindex="0" role="application" aria-label="Map of texts. Arrow keys go from one to the next." {
                        svg viewBox=(format!("0 0 {} {}", MAP[0], MAP[1])) aria-hidden="true" {
                            @for (&text, place) in sample.texts.iter().zip(places) {
                                @let [x, y] = [0, 1].map(|axis| format!("{:.1}", MARGIN + (place[axis] - scales[axis].0) * scales[axis].1));
                                circle class=(class(text)) cx=(x) cy=(y) r=(format!("{radius:.1}")) {}
                            }
                            circle id="ring" r=(format!("{:.1}", radius + 5.0)) cx="-50" cy="-50" {}
                        }
                    }
                    div id="told" role="status" tabindex="0" {
                        p.note { "Point at a dot, or go through the map by the arrow keys, to read its text." }
                    }
                }
            }
        }
    }
}

/// What the script knows of each dot, in their order: `[kind, task, place, cosine, text]`, and the names of the labels.
fn map_data(report: &Report<'_>) -> Result<String> {
    let names = |tally: Option<&Tally>| tally.map(|tally| tally.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>());
    let of = |tally: Option<&Tally>, text: usize| tally.map(|tally| tally.of[text]);
    let dot = |(&text, nearest): (&usize, &Option<Hit>)| {
        let cosine = nearest.as_ref().map(|hit| format!("{:.2}", hit.cosine));
        let (kinds, tasks) = (report.kinds.as_ref(), report.tasks.as_ref());
        json!([of(kinds, text), of(tasks, text), place(&report.pool.places[text]), cosine, shortened(&report.pool.texts[text], MAP_CHARS)])
    };
    let data = json!({
        "kind": names(report.kinds.as_ref()),
        "task": names(report.tasks.as_ref()),
        "dots": report.sample.texts.iter().zip(&report.sample.nearest).map(dot).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string(&data).map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    // Neither an end of the script nor a comment can then stand in it.
    Ok(text.replace('<', "\\u003c"))
}

fn typical(report: &Report<'_>) -> Markup {
    let sample = &report.sample;
    let mut typical = sample.coverage.chosen.clone();
    typical.sort_by_key(|&(text, served)| (Reverse(served), text));
    let mut unusual: Vec<(usize, f32)> =
        sample.texts.iter().zip(&sample.nearest).filter_map(|(&text, hit)| Some((text, hit.as_ref()?.cosine))).collect();
    unusual.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    html! {
        div.halves {
            section {
                h2 { "Most typical" }
                p.lead { "Texts that stand for the most others: of each, the share of texts that it is the nearest of." }
                ol.texts {
                    @for &(text, served) in typical.iter().take(ENTRIES) {
                        li { span.figure { (percent(served, sample.texts.len())) } div { (entry(report, text)) (named(report, text)) } }
                    }
                }
            }
            section {
                h2 { "Most unusual" }
                p.lead { "Texts that no other is like, with the cosine to the nearest one." }
                ol.texts {
                    @for &(text, cosine) in unusual.iter().take(ENTRIES) {
                        li { span.figure { (format!("{cosine:.2}")) } div { (entry(report, text)) (named(report, text)) } }
                    }
                }
            }
        }
    }
}

fn named(report: &Report<'_>, text: usize) -> Markup {
    html! { @if let Some(tasks) = &report.tasks { div.task { (tasks.labels[tasks.of[text]].name) } } }
}

fn covered(sample: &Sample) -> Markup {
    let Coverage { chosen, curve, random } = &sample.coverage;
    let [width, height] = CHART;
    let [left, bottom] = AXES;
    let all = || curve.iter().chain(random).copied();
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
    let x = |at: usize| left + (width - left - 12.0) * at as f64 / chosen.len() as f64;
    let y = |value: f64| 12.0 + (height - bottom - 24.0) * (high - value) / (high - low).max(1e-6);
    let line =
        |values: &[f64]| values.iter().zip(1..).map(|(&value, at)| format!("{:.1},{:.1}", x(at), y(value))).collect::<Vec<_>>().join(" ");
    let ends = [curve, random].map(|values| values.last().copied().unwrap_or_default());
    let said =
        format!("{} texts, well chosen, come to a mean cosine of {:.3}; as many random ones to {:.3}.", chosen.len(), ends[0], ends[1]);
    html! {
        section {
            h2 { "How few texts cover it" }
            p.lead {
                "The mean cosine of a text to the nearest of those chosen by facility location (" code { "pie select" } "), and of random "
                "ones. " (said)
            }
            svg.chart viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(said) {
                @for value in [low, high] {
                    line x1=(left) x2=(width) y1=(y(value)) y2=(y(value)) {}
                    text.at-end x=(left - 8.0) y=(y(value) + 4.0) { (format!("{value:.2}")) }
                }
                @for at in [1, chosen.len()] {
                    text.at-middle x=(x(at)) y=(height - 8.0) { (at) }
                }
                text.at-middle x=((left + width) / 2.0) y=(height - 8.0) { "texts chosen" }
                polyline.random points=(line(random)) {}
                polyline.chosen points=(line(curve)) {}
            }
            ul.legend { li.chosen { "chosen" } li.random { "random, mean of " (super::DRAWS) } }
        }
    }
}

fn repeated(report: &Report<'_>) -> Markup {
    let (pool, sample) = (report.pool, &report.sample);
    let mut often: Vec<usize> = (0..pool.texts.len()).filter(|&text| pool.counts[text] > 1).collect();
    often.sort_by_key(|&text| (Reverse(pool.counts[text]), text));
    let pairs = sample.texts.iter().zip(&sample.nearest).filter_map(|(&text, hit)| {
        let hit = hit.as_ref().filter(|hit| is_near_duplicate(hit.cosine, report.near_duplicate))?;
        Some((text.min(hit.row), text.max(hit.row), hit.cosine))
    });
    let mut pairs: Vec<(usize, usize, f32)> = pairs.collect();
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    pairs.dedup_by_key(|&mut (a, b, _)| (a, b));
    html! {
        div.halves {
            section {
                h2 { "Repeated to the letter" }
                @if often.is_empty() { p.note { "No text stands twice." } }
                ol.texts {
                    @for &text in often.iter().take(ENTRIES) {
                        li { span.figure { (whole(pool.counts[text])) "×" } div { (entry(report, text)) } }
                    }
                }
                @if often.len() > ENTRIES { p.note { "and " (whole(often.len() - ENTRIES)) " more texts that stand more than once" } }
            }
            section {
                h2 { "Near-duplicates" }
                p.lead { "Different texts with a cosine of " (report.near_duplicate) " or more." }
                @if pairs.is_empty() { p.note { "There are none." } }
                ol.texts {
                    @for &(a, b, cosine) in pairs.iter().take(ENTRIES) {
                        li { span.figure { (format!("{cosine:.3}")) } div { div { (entry(report, a)) } div { (entry(report, b)) } } }
                    }
                }
                @if pairs.len() > ENTRIES { p.note { "and " (whole(pairs.len() - ENTRIES)) " more pairs" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(whole), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([(0, 0), (1, 40), (1, 4), (3, 3)].map(|(part, of)| percent(part, of)), ["0 %", "2.5 %", "25 %", "100 %"]);
        assert_eq!(shortened("a\nb\u{1f600}d", 3), "a b…");
    }
}
