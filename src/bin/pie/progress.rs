//! Progress on stderr, drawn only where that is a terminal.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::say;

#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of an input whose length is known, in bytes or rows.
    pub fn of(total: u64) -> Self {
        Self { bar: styled(ProgressBar::new(total), "{bar:30} {percent}% {msg}, {elapsed} gone, {eta} left") }
    }

    /// Of an input without end.
    pub fn rows() -> Self {
        Self { bar: styled(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed} gone") }
    }

    /// Of a known number of steps.
    pub fn steps(total: u64, what: impl Into<Cow<'static, str>>) -> Self {
        let bar = styled(ProgressBar::new(total), "{bar:30} {pos}/{len} {msg}, {elapsed} gone, {eta} left");
        bar.set_message(what);
        Self { bar }
    }

    /// Of work whose steps are not counted.
    pub fn waiting(what: impl Into<Cow<'static, str>>) -> Self {
        let progress = Self::rows();
        progress.message(what);
        progress.bar.enable_steady_tick(Duration::from_millis(200));
        progress
    }

    pub fn add(&self, n: u64) {
        self.bar.inc(n);
    }

    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    pub fn message(&self, text: impl Into<Cow<'static, str>>) {
        self.bar.set_message(text);
        self.bar.tick();
    }

    /// Prints a line on stderr without tearing the bar.
    pub fn print(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
