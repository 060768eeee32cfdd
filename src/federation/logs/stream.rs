//! Reads one log until it ends or breaks off.

use jiff::Timestamp;

use super::{
    cursor::Cursor,
    terms::{LogLine, LogReader, LogTerms, Since, Source},
};
use crate::cluster::{
    Connection, Error, Stream,
    lines::{Lines, Piece},
    path,
};

/// The longest text of a time before a line.
const TIME: usize = 40;

/// How a log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// Whether lines that are written later come, too.
    pub follow: bool,
    /// Whether it is the instance of the container before the present one.
    pub previous: bool,
    /// Only what is newer.
    pub since: Option<Since>,
    /// Only so many of the last lines.
    pub tail: Option<u64>,
}

impl Ask {
    /// What the terms ask of logs that there are when they are looked for first.
    pub fn new(terms: &LogTerms) -> Self {
        let LogTerms { previous, since, tail, .. } = *terms;
        Self { follow: false, previous, since, tail }
    }

    /// The path of a log, from where it was read on.
    fn path(&self, namespace: &str, source: &Source, cursor: &Cursor) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("container", &source.container);
        for (name, is_set) in [("follow", self.follow), ("previous", self.previous)] {
            if is_set {
                query.append_pair(name, "true");
            }
        }
        match cursor.since().map(Since::Time).or(self.since) {
            Some(Since::Time(time)) => query.append_pair("sinceTime", &time.to_string()),
            Some(Since::Seconds(seconds)) => {
                query.append_pair("sinceSeconds", &seconds.to_string())
            }
            None => &mut query,
        };
        if let (None, Some(lines)) = (cursor.since(), self.tail) {
            query.append_pair("tailLines", &lines.to_string());
        }
        query.append_pair("timestamps", "true");
        let pod = path::object(path::CORE, namespace, "pods", &source.pod);
        format!("{pod}/log?{}", query.finish())
    }
}

/// Asks for a log, from where it was read on.
///
/// # Errors
/// The server refuses, or does not answer.
pub(super) async fn open(
    connection: &Connection,
    namespace: &str,
    source: &Source,
    ask: Ask,
    cursor: &Cursor,
) -> Result<Stream, Error> {
    connection.stream(&ask.path(namespace, source, cursor), ask.follow).await
}

/// Gives on what is new in a log until it ends, or nobody reads on. Of a last line without an end
/// only the `whole` log has all there is.
///
/// # Errors
/// It broke off.
pub(super) async fn drain(
    mut stream: Stream,
    source: &Source,
    cursor: &mut Cursor,
    whole: bool,
    reader: &dyn LogReader,
) -> Result<(), Error> {
    cursor.again();
    let mut lines = Lines::default();
    while let Some(bytes) = stream.next().await? {
        lines.push(&bytes, |piece| give(piece, source, cursor, reader));
        if reader.is_closed() || cursor.is_full() {
            return Ok(());
        }
    }
    if let Some(rest) = lines.rest().filter(|_| whole) {
        give(rest, source, cursor, reader);
    }
    Ok(())
}

fn give(piece: Piece<'_>, source: &Source, cursor: &mut Cursor, reader: &dyn LogReader) {
    let (time, text) = if piece.number == 0 { timed(piece.text) } else { (None, piece.text) };
    if !cursor.is_full() && cursor.take(time.map(|(_, at)| at), piece.number, text) {
        let time = time.map(|(time, _)| time);
        let (text, is_ended) = cursor.within(text, piece.is_ended);
        let continues = piece.number > 0;
        reader.line(source, LogLine { time, text, continues, is_ended });
    }
}

/// The time before a line, and the line.
fn timed(line: &[u8]) -> (Option<(&str, Timestamp)>, &[u8]) {
    let end = line.iter().take(TIME).position(|byte| *byte == b' ');
    let time = end.and_then(|end| {
        let text = std::str::from_utf8(&line[..end]).ok()?;
        Some((end, text, text.parse().ok()?))
    });
    match time {
        Some((end, text, at)) => (Some((text, at)), &line[end + 1..]),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_taken_off_a_line() {
        for (line, time, text) in [
            ("2026-01-01T12:00:00.000000001Z a b", Some("2026-01-01T12:00:00.000000001Z"), "a b"),
            ("2026-01-01T14:00:00.5+02:00 ", Some("2026-01-01T14:00:00.5+02:00"), ""),
            ("failed to open log file", None, "failed to open log file"),
            ("", None, ""),
        ] {
            let (read, rest) = timed(line.as_bytes());
            assert_eq!((read.map(|(text, _)| text), rest), (time, text.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_log_is_asked_for_from_where_it_was_read_on() {
        let source = Source {
            cluster: "west".to_owned(),
            pod: "pi-x".to_owned(),
            uid: String::new(),
            container: "pi".to_owned(),
        };
        let since = Some(Since::Seconds(60));
        let ask = Ask { follow: true, previous: false, since, tail: Some(3) };
        let mut cursor = Cursor::default();
        let path = "/api/v1/namespaces/work/pods/pi-x/log?container=pi&follow=true";
        let first = format!("{path}&sinceSeconds=60&tailLines=3&timestamps=true");
        assert_eq!(ask.path("work", &source, &cursor), first);
        assert!(cursor.take("2026-01-01T12:00:05.9Z".parse().ok(), 0, b"a"));
        let again = format!("{path}&sinceTime=2026-01-01T12%3A00%3A04Z&timestamps=true");
        assert_eq!(ask.path("work", &source, &cursor), again);
    }
}
