//! Who is waited for, on a terminal.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    escape,
    live::{Canvas, Live, Screen, View},
};

/// A line below the others that names all who are waited for. It is there while there are any.
#[derive(Default)]
pub(super) struct WaitingLine {
    named: Mutex<Named>,
}

#[derive(Default)]
struct Named {
    /// How many answers of each are waited for.
    names: BTreeMap<String, usize>,
    line: Option<Live>,
}

/// Somebody is waited for until this is dropped.
pub struct Waiting {
    line: Arc<WaitingLine>,
    screen: Arc<Screen>,
    name: String,
}

impl WaitingLine {
    fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str, screen: &Arc<Screen>) {
        let mut named = self.named();
        *named.names.entry(name.to_owned()).or_default() += 1;
        named.show(screen);
    }

    /// All who are waited for now.
    pub fn names(&self) -> Vec<String> {
        self.named().names.keys().cloned().collect()
    }

    fn remove(&self, name: &str, screen: &Arc<Screen>) {
        let mut named = self.named();
        if let Some(count) = named.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                named.names.remove(name);
            }
        }
        named.show(screen);
    }
}

impl Named {
    fn show(&mut self, screen: &Arc<Screen>) {
        let names = Names(self.names.keys().cloned().collect());
        match &self.line {
            _ if self.names.is_empty() => self.line = None,
            Some(line) => line.show(names),
            None => self.line = Some(Live::new(screen, names)),
        }
    }
}

/// The line that names them.
struct Names(Vec<String>);

impl View for Names {
    fn lines(&self, _: &Canvas) -> Vec<String> {
        vec![escape::line(&format!("waiting for {}", self.0.join(", "))).into_owned()]
    }
}

impl Waiting {
    pub(super) fn begin(line: &Arc<WaitingLine>, screen: &Arc<Screen>, name: &str) -> Self {
        line.add(name, screen);
        Self { line: line.clone(), screen: screen.clone(), name: name.to_owned() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.remove(&self.name, &self.screen);
    }
}
