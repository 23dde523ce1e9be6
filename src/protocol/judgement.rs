//! What the host was warned of, kept in the model: one line says whether it is fit for use.

use crate::train::{Checkpoint, Hooks, Level, Progress, Ranks};
use crate::Result;
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};
use std::cell::RefCell;
use std::sync::Arc;

/// A warning in a model's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Finding {
    /// What it is about, in a word or two.
    about: String,
    message: String,
}

/// What is weighted, and towards what, as messages say it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Events of a generator, towards the target.
    Generator,
    /// Events of the source `from`, towards those of `to`.
    Events,
}

impl Subject {
    /// The words for it: of these two.
    pub fn choose<'t>(self, generator: &'t str, events: &'t str) -> &'t str {
        match self {
            Subject::Generator => generator,
            Subject::Events => events,
        }
    }

    /// What is to be reached.
    pub fn target(self) -> &'static str {
        self.choose("the target", "`to`")
    }

    /// The events with their weights.
    pub fn refined(self) -> &'static str {
        self.choose("the refined events", "the weighted events of `from`")
    }
}

/// A host's hooks, and every warning that goes through them.
pub(super) struct Witness<'a> {
    hooks: &'a dyn Hooks,
    findings: RefCell<Vec<Finding>>,
}

/// Where a record holds its judgement.
const KEY: &str = "judgement";

impl<'a> Witness<'a> {
    pub fn new(hooks: &'a dyn Hooks) -> Self {
        Witness {
            hooks,
            findings: RefCell::default(),
        }
    }

    /// Writes the judgement into a model's record: what that has already been warned of, but for what is about one of `anew`, and what has
    /// come since.
    pub fn judge(&self, record: &mut Map<String, Value>, anew: &[&str]) {
        let before = record.get(KEY).map(|j| j["warnings"].clone());
        let before = before.and_then(|w| serde_json::from_value::<Vec<Finding>>(w).ok());
        let mut findings = before.unwrap_or_default();
        findings.retain(|finding| !anew.contains(&finding.about.as_str()));
        for finding in self.findings.borrow().iter() {
            if !findings.contains(finding) {
                findings.push(finding.clone());
            }
        }
        let mut about: Vec<&str> = Vec::new();
        for finding in &findings {
            if !about.contains(&finding.about.as_str()) {
                about.push(&finding.about);
            }
        }
        let verdict = match &about[..] {
            [] => "usable".into(),
            about => format!("look at: {}", about.join(", ")),
        };
        let judgement = json!({"verdict": verdict, "warnings": findings});
        record.insert(KEY.into(), judgement);
    }

    /// Has in the judgement what the host is not warned of, but told.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn find(&self, about: &str, message: &str) -> Result<()> {
        self.findings.borrow_mut().push(Finding {
            about: about.into(),
            message: message.into(),
        });
        self.hooks.log(Level::Info, message)
    }

    /// Tells the host the verdict of a record; `of` says of what, if not of all.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn tell(&self, record: &Map<String, Value>, of: &str) -> Result<()> {
        let of = match of {
            "" => String::new(),
            of => format!(" of {of} so far"),
        };
        let verdict = record.get(KEY).and_then(|j| j["verdict"].as_str());
        verdict.map_or(Ok(()), |verdict| {
            self.hooks
                .log(Level::Info, &format!("judgement{of}: {verdict}"))
        })
    }
}

impl Hooks for Witness<'_> {
    fn progress(&self, progress: &Progress) -> Result<()> {
        self.hooks.progress(progress)
    }

    fn log(&self, level: Level, message: &str) -> Result<()> {
        self.hooks.log(level, message)
    }

    fn warn(&self, about: &'static str, message: &str) -> Result<()> {
        self.findings.borrow_mut().push(Finding {
            about: about.into(),
            message: message.into(),
        });
        self.hooks.warn(about, message)
    }

    fn check(&self, stage: &'static str) -> Result<()> {
        self.hooks.check(stage)
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.hooks.checkpoint()
    }

    fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.hooks.ranks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_kept_once_and_summed_up() {
        let mut record = Map::new();
        let witness = Witness::new(&());
        witness.judge(&mut record, &[]);
        assert_eq!(record[KEY]["verdict"], "usable");
        for (about, message) in [
            ("weights", "broad"),
            ("weights", "uncalibrated"),
            ("coverage", "a gap"),
            ("weights", "at their limit"),
            ("weights", "broad"),
        ] {
            witness.warn(about, message).unwrap();
        }
        witness.judge(&mut record, &[]);
        witness.judge(&mut record, &[]);
        assert_eq!(record[KEY]["verdict"], "look at: weights, coverage");
        assert_eq!(record[KEY]["warnings"].as_array().unwrap().len(), 4);
        // What is judged again is forgotten, the rest stays.
        let again = Witness::new(&());
        again.judge(&mut record, &["weights"]);
        assert_eq!(record[KEY]["verdict"], "look at: coverage");
        again.judge(&mut record, &["weights", "coverage"]);
        assert_eq!(record[KEY]["verdict"], "usable");
    }
}
