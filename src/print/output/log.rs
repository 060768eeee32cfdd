//! The lines of logs, which are bytes of programs and not texts of ours.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use console::{Color, Style};

use super::{Output, lock};
use crate::print::escape;

/// The colours of sources, those that can be told apart best first.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Magenta, Color::Yellow, Color::Blue, Color::Red];

/// A line of a log, as it is printed.
#[derive(Debug, Clone, Copy)]
pub struct LogText<'a> {
    /// Whose it is, such as `west/pod/pi-x/pi`.
    pub source: &'a str,
    /// Whether that stands before the line.
    pub is_named: bool,
    /// The time before it, if it is shown.
    pub time: Option<&'a str>,
    /// Its bytes.
    pub text: &'a [u8],
    /// Whether it is a further piece of the line before.
    pub continues: bool,
    /// Whether it ends with a line feed.
    pub is_ended: bool,
}

impl Output {
    /// Prints a line of a log to stdout.
    ///
    /// Elsewhere than on a terminal its bytes are passed on as they are, as kubectl does. A
    /// terminal gets colours, and everything else that it would act on is escaped.
    pub fn log_line(&self, line: &LogText<'_>) {
        let source = hash(line.source);
        let mut streams = lock(&self.streams);
        let mut bytes = Vec::with_capacity(line.text.len() + 80);
        let goes_on = line.continues && streams.unended == Some(source);
        if streams.unended.is_some() && !goes_on {
            bytes.push(b'\n');
        }
        if line.is_named && !goes_on {
            bytes.extend_from_slice(self.named(line.source).as_bytes());
        }
        if let Some(time) = line.time {
            bytes.extend_from_slice(time.as_bytes());
            bytes.push(b' ');
        }
        if self.stdout_terminal {
            let text = String::from_utf8_lossy(line.text);
            bytes.extend_from_slice(escape::log(&text, self.stdout_colour).as_bytes());
        } else {
            bytes.extend_from_slice(line.text);
        }
        if line.is_ended {
            bytes.push(b'\n');
        }
        streams.unended = (!line.is_ended).then_some(source);
        drop(streams);
        self.suspended(|| lock(&self.streams).stdout(&bytes));
    }

    /// The name of a source before its lines, in a colour that is always the same for it.
    fn named(&self, source: &str) -> String {
        let name = format!("[{}]", escape::line(source));
        if !self.stdout_colour {
            return format!("{name} ");
        }
        // All containers of a pod have the pod's colour.
        let pod = source.rsplit_once('/').map_or(source, |(pod, _)| pod);
        let colour = COLOURS[(hash(pod) % COLOURS.len() as u64) as usize];
        let style = Style::new().fg(colour).force_styling(true);
        format!("{} ", style.apply_to(name))
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
