//! Who is waited for, on a terminal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::MultiProgress;
use tokio::sync::Notify;

use super::Progress;

/// A line below the others that names all who are waited for. It is there while there are any.
#[derive(Default)]
pub(super) struct WaitingLine {
    named: Mutex<Named>,
    /// Told when the line is shown on a terminal.
    shown: Notify,
}

#[derive(Default)]
struct Named {
    /// How many answers of each are waited for.
    names: BTreeMap<String, usize>,
    line: Option<Progress>,
}

/// Somebody is waited for until this is dropped.
pub struct Waiting {
    line: Arc<WaitingLine>,
    name: String,
}

impl WaitingLine {
    fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str, bars: &MultiProgress) {
        let mut named = self.named();
        *named.names.entry(name.to_owned()).or_default() += 1;
        named.line.get_or_insert_with(|| Progress::line(bars));
        named.show();
        if !bars.is_hidden() {
            self.shown.notify_one();
        }
    }

    /// Waits until the line is shown on a terminal, or was.
    pub async fn shown(&self) {
        self.shown.notified().await;
    }

    fn remove(&self, name: &str) {
        let mut named = self.named();
        if let Some(count) = named.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                named.names.remove(name);
            }
        }
        named.show();
    }
}

impl Named {
    fn show(&mut self) {
        if self.names.is_empty() {
            self.line = None;
        } else if let Some(line) = &self.line {
            let names: Vec<_> = self.names.keys().map(String::as_str).collect();
            line.say(&format!("waiting for {}", names.join(", ")));
        }
    }
}

impl Waiting {
    pub(super) fn begin(line: &Arc<WaitingLine>, bars: &MultiProgress, name: &str) -> Self {
        line.add(name, bars);
        Self { line: line.clone(), name: name.to_owned() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.remove(&self.name);
    }
}
