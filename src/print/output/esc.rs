//! The key Esc while a line is typed on a terminal.

#[cfg(unix)]
pub use unix::{EscEndsLine, is_terminal_changed, leave_terminal_as_it_was};

/// What the key Esc sends.
pub const ESC: u8 = 0x1b;

/// Elsewhere a console has a way of its own to take a line back: Esc clears what was typed there,
/// and Enter sends the line.
#[cfg(not(unix))]
pub struct EscEndsLine;

#[cfg(not(unix))]
impl EscEndsLine {
    /// Leaves the terminal as it is.
    pub(super) fn new() -> Self {
        Self
    }
}

/// Undoes what was changed of the terminal for a question: nothing, here.
#[cfg(not(unix))]
pub fn leave_terminal_as_it_was() {}

#[cfg(unix)]
mod unix {
    use std::{
        io,
        sync::{Mutex, Once},
    };

    use rustix::termios::{self, OptionalActions, SpecialCodeIndex, Termios};
    use tokio::{
        runtime::Handle,
        signal::unix::{SignalKind, signal},
    };

    use super::ESC;
    use crate::print::output::lock;

    /// How the terminal was before the first change of those that have not been undone.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    /// While this lives, Esc ends a line on the terminal that stdin is, as Enter does. Otherwise
    /// the terminal would keep it until Enter.
    pub struct EscEndsLine {
        /// How the terminal was; none where stdin is not one.
        before: Option<Termios>,
        /// Whether this made the first change.
        is_first: bool,
    }

    impl EscEndsLine {
        /// Sets the terminal so.
        pub(in crate::print::output) fn new() -> Self {
            let before = termios::tcgetattr(io::stdin()).ok();
            let Some(mut changed) = before.clone() else { return Self { before, is_first: false } };
            restore_at_the_end();
            let mut first = lock(&BEFORE);
            let is_first = first.is_none();
            if is_first {
                first.clone_from(&before);
            }
            changed.special_codes[SpecialCodeIndex::VEOL] = ESC;
            set(&changed);
            Self { before, is_first }
        }
    }

    /// Has the terminal be as it was when SIGTERM or SIGHUP ends the process during a question.
    /// From the first question on, such a signal is heard here, and ends the process with the exit
    /// code that shells have for it.
    fn restore_at_the_end() {
        static HEARS: Once = Once::new();
        let Ok(runtime) = Handle::try_current() else { return };
        HEARS.call_once(|| {
            for kind in [SignalKind::terminate(), SignalKind::hangup()] {
                let Ok(mut heard) = signal(kind) else { continue };
                runtime.spawn(async move {
                    while heard.recv().await.is_some() {
                        // Without a question SIGTERM ends a command as Ctrl-C does.
                        if kind == SignalKind::terminate() && !is_terminal_changed() {
                            continue;
                        }
                        leave_terminal_as_it_was();
                        std::process::exit(128 + kind.as_raw_value());
                    }
                });
            }
        });
    }

    /// Whether the terminal is changed for a question. SIGTERM ends the process here then.
    pub fn is_terminal_changed() -> bool {
        lock(&BEFORE).is_some()
    }

    /// Undoes what was changed of the terminal for a question, where the process ends during it.
    pub fn leave_terminal_as_it_was() {
        // Locked only by a thread that sets it, or undoes it, right now.
        if let Ok(before) = BEFORE.try_lock()
            && let Some(before) = &*before
        {
            set(before);
        }
    }

    impl Drop for EscEndsLine {
        fn drop(&mut self) {
            if let Some(before) = &self.before {
                set(before);
            }
            if self.is_first {
                *lock(&BEFORE) = None;
            }
        }
    }

    /// Where this fails, Esc works once Enter follows.
    fn set(termios: &Termios) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, termios);
    }
}
