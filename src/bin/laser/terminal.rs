//! What the user sees while a command runs, and how they stop it.

use crate::failure::{Failure, Result};
use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// A line on stderr. Who has closed it does not want it.
pub fn say(message: &str) {
    let message = message.replace('\n', " ");
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("laser: {message}\n"));
}

/// A warning on stderr, if there is one.
pub fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        say(&format!("warning: {warning}"));
    }
}

/// A bar on stderr, of `length` steps; none unless that is a terminal.
pub fn bar(length: u64, template: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template);
    let style = style.map_err(|e| Failure::Wrong(e.to_string()))?;
    // Gone when dropped, before an error is told.
    let bar = ProgressBar::new(length).with_finish(ProgressFinish::AndClear);
    let per_second = |state: &ProgressState, to: &mut dyn Write| {
        // There is nothing to say to a terminal that does not take it.
        let _ = to.write_str(&rate(state.per_sec()));
    };
    bar.set_style(style.progress_chars("=> ").with_key("per_sec", per_second));
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

/// Events per second: three digits, and zeros after them.
pub fn rate(value: f64) -> String {
    if !(100.0..1e15).contains(&value) {
        return format!("{}/s", digits(value, 3));
    }
    let place = 10f64.powf(value.log10().floor() - 2.0);
    format!("{:.0}/s", (value / place).round() * place)
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

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_have_three_digits() {
        let expected = [
            (44_063.2, "44100/s"),
            (999.6, "1000/s"),
            (123.4, "123/s"),
            (99.96, "100.0/s"),
            (0.012_345, "0.0123/s"),
            (7.654e6, "7650000/s"),
            (0.0, "0/s"),
        ];
        for (value, text) in expected {
            assert_eq!(rate(value), text);
        }
    }
}
