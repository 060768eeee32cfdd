//! Bytes that come in pieces, as lines of a bounded length; pure.

/// The most bytes of a line that are kept. A longer one is given in pieces.
const MOST: usize = 1 << 20;

/// What has come of a line that is not yet whole.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// How many pieces of the line were given.
    given: u64,
}

/// A line without its line feed, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Its bytes.
    pub text: &'a [u8],
    /// Which piece of its line it is, from 0.
    pub number: u64,
    /// Whether there was a line feed.
    pub is_ended: bool,
}

impl Lines {
    /// Takes bytes, and gives the lines that are whole now.
    pub fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let room = MOST - self.held.len();
            // A line may be just as long as the room.
            let end = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
            let take = end.unwrap_or(room.min(bytes.len()));
            self.held.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if end.is_some() {
                bytes = &bytes[1..];
                give(Piece { text: &self.held, number: self.given, is_ended: true });
                // The next line gets the room of this one.
                self.held.clear();
                self.given = 0;
            } else if self.held.len() == MOST {
                give(Piece { text: &self.held, number: self.given, is_ended: false });
                self.held.clear();
                self.given += 1;
            }
        }
    }

    /// The last line, where it had no line feed.
    pub fn rest(&self) -> Option<Piece<'_>> {
        let rest = Piece { text: &self.held, number: self.given, is_ended: false };
        (!self.held.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bytes of a piece, its number, and whether it is ended.
    type Given = (Vec<u8>, u64, bool);

    fn all(pieces: &[&[u8]]) -> (Vec<Given>, Option<Vec<u8>>) {
        let (mut lines, mut given) = (Lines::default(), Vec::new());
        for bytes in pieces {
            lines.push(bytes, |piece| {
                given.push((piece.text.to_vec(), piece.number, piece.is_ended));
            });
        }
        (given, lines.rest().map(|rest| rest.text.to_vec()))
    }

    #[test]
    fn a_line_without_an_end_is_given_in_pieces() {
        let long = vec![b'a'; MOST];
        let (given, rest) = all(&[&long, &long, b"b\nc"]);
        let expected =
            [(long.clone(), 0, false), (long.clone(), 1, false), (b"b".to_vec(), 2, true)];
        assert_eq!(given, expected);
        assert_eq!(rest, Some(b"c".to_vec()));
        let just = [long.as_slice(), b"\n"].concat();
        assert_eq!(all(&[&just]), (vec![(long, 0, true)], None));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_come(
            pieces in prop::collection::vec("[ab\n]{0,6}", 0..8),
        ) {
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            let (given, rest) = all(&pieces);
            let mut text: Vec<u8> = given.iter().flat_map(|(line, _, _)| {
                line.iter().copied().chain([b'\n'])
            }).collect();
            text.extend(rest.unwrap_or_default());
            prop_assert_eq!(text, pieces.concat());
        }
    }
}
