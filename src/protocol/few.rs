//! Whether a training had events enough.

use crate::compute::Session;
use crate::train::{Level, Record, Settings};
use crate::Result;

/// When its held-out loss was best, if it then learned its events by heart.
fn risen(settings: &Settings, trained: &Record, best: u64) -> Option<String> {
    let planned = settings.epochs.saturating_mul(settings.steps);
    let seen = trained.passes.map_or(String::new(), |passes| {
        let times = passes * best as f64 / trained.steps as f64;
        let places = usize::from(times < 2.0);
        format!(", when every event had been seen {times:.places$} times,")
    });
    trained.by_heart.then(|| {
        format!(
            "the held-out loss of the {} training was best after {best} of {planned} updates{seen} and rose from there",
            settings.stage
        )
    })
}

/// Tells the host of a generator's training that learned its events by heart before it was half through.
pub(super) fn warn(session: Session, settings: &Settings, trained: &Record) -> Result<()> {
    let Settings {
        stage,
        group,
        steps,
        epochs,
        ..
    } = *settings;
    let planned = epochs.saturating_mul(steps);
    let losses = trained.validation_losses.iter().enumerate();
    let lowest = losses.min_by(|a, b| a.1.total_cmp(b.1));
    let best = match settings.patience {
        // The last parameters were kept.
        0 => lowest.map_or(planned, |(epoch, _)| (epoch as u64 + 1) * steps),
        _ => trained.kept_step,
    };
    if best.saturating_mul(2) > planned {
        return Ok(());
    }
    match risen(settings, trained, best) {
        Some(risen) => session.hooks.warn(
            "events",
            &format!("too few events: {risen}. Deliver more events, or train a smaller network"),
        ),
        None if trained.stopped_early => session.hooks.log(
            Level::Info,
            &format!("{stage}: the held-out loss has not fallen since update {best} of {planned}; train longer with more `{group}.patience`, or slower"),
        ),
        None => Ok(()),
    }
}

/// Tells the host of a classifier's trainings, one of which learned its events by heart before a tenth of it. That is no fault by itself: a simple ratio
/// is learned soon, and what the classifier is worth is judged by what is held out.
pub(super) fn note(session: Session, settings: &Settings, trained: &[Record]) -> Result<()> {
    let planned = settings.epochs.saturating_mul(settings.steps);
    let mut early = trained
        .iter()
        .filter(|r| r.kept_step.saturating_mul(10) <= planned);
    let risen = early.find_map(|record| risen(settings, record, record.kept_step));
    risen.map_or(Ok(()), |risen| {
        let message = format!("{risen}: of more events it would learn more, if there is more");
        session.hooks.log(Level::Info, &message)
    })
}
