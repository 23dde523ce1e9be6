//! What the user sees while a command runs, and how they stop it.

use crate::failure::{Failure, Result};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// A line on stderr. Who has closed it does not want it.
pub fn say(message: &str) {
    let message = message.replace('\n', " ");
    let _ = writeln!(std::io::stderr(), "laser: {message}");
}

/// A bar on stderr, of `length` steps; none unless that is a terminal.
pub fn bar(length: u64, template: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template);
    let style = style.map_err(|e| Failure::Wrong(e.to_string()))?;
    // Gone when dropped, before an error is told.
    let bar = ProgressBar::new(length).with_finish(ProgressFinish::AndClear);
    bar.set_style(style.progress_chars("=> "));
    Ok(bar)
}

/// Whether the user has pressed Ctrl-C, or the system wants the process to end.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From here on the first signal is noted, for the command to stop in order; a second one ends the process at once.
    pub fn listen() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, stop.clone())?;
            flag::register(signal, stop.clone())?;
        }
        Ok(Stop(stop))
    }

    /// Whether to stop.
    pub fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number as people read it: four digits.
pub fn number(value: f64) -> String {
    digits(value, 4)
}

/// An error: two digits.
pub fn error(value: f64) -> String {
    digits(value, 2)
}

/// A fraction in per cent: three digits.
pub fn percent(fraction: f64) -> String {
    format!("{} %", digits(100.0 * fraction, 3))
}

fn digits(value: f64, count: i32) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return format!("{value}");
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = count - 1 - size.log10().floor() as i32;
    format!("{value:.*}", decimals.max(0) as usize)
}
