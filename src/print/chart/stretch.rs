//! What one thing did in a stretch of time, and how many did it at a time; pure.

/// How a stretch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Open,
    /// What was to be done is done.
    Done,
    /// It failed.
    Failed,
}

/// The time in which one thing first waited and then ran, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When it began to wait.
    pub(super) from: i64,
    /// When it began to run; the end, if it never did.
    pub(super) ran: i64,
    /// When it ended, or how far it is known.
    pub(super) to: i64,
    /// How it ended.
    pub(super) end: End,
}

/// How many waited and how many ran, from a time to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub from: i64,
    pub to: i64,
    pub waiting: usize,
    pub running: usize,
}

impl Stretch {
    /// A stretch that began to run at a time, or never. Times that contradict each other are
    /// brought into their order.
    pub fn new(from: i64, ran: Option<i64>, to: i64, end: End) -> Self {
        let to = to.max(ran.unwrap_or(from)).max(from);
        Self { from, ran: ran.unwrap_or(to).clamp(from, to), to, end }
    }

    /// How many seconds it waited.
    pub fn waited(&self) -> i64 {
        self.ran - self.from
    }

    /// How many seconds it ran.
    pub fn ran_for(&self) -> i64 {
        self.to - self.ran
    }
}

/// How many of these waited and ran at each time, in order, without times at which none did.
pub(super) fn pieces(stretches: &[Stretch]) -> Vec<Piece> {
    let mut steps: Vec<(i64, isize, isize)> = Vec::new();
    for Stretch { from, ran, to, .. } in stretches {
        steps.extend([(*from, 1, 0), (*ran, -1, 1), (*to, 0, -1)]);
    }
    steps.sort_unstable_by_key(|(at, ..)| *at);
    let (mut waiting, mut running) = (0_isize, 0_isize);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut before = None;
    for (at, waits, runs) in steps {
        if let Some(from) = before.filter(|from| *from < at)
            && waiting + running > 0
        {
            let (waiting, running) = (waiting.unsigned_abs(), running.unsigned_abs());
            pieces.push(Piece { from, to: at, waiting, running });
        }
        before = Some(at);
        waiting += waits;
        running += runs;
    }
    pieces
}

/// Each stretch with the number of a lane in which it overlaps no other one.
pub(super) fn lanes(stretches: &[Stretch]) -> Vec<(usize, Stretch)> {
    let mut in_order = stretches.to_vec();
    in_order.sort_by_key(|stretch| (stretch.from, stretch.to));
    let mut free_from: Vec<i64> = Vec::new();
    let mut placed = Vec::new();
    for stretch in in_order {
        let free = free_from.iter().position(|free| *free <= stretch.from);
        let lane = free.unwrap_or(free_from.len());
        if lane == free_from.len() {
            free_from.push(0);
        }
        // What took no time is to be seen beside others that took none.
        free_from[lane] = stretch.to.max(stretch.from + 1);
        placed.push((lane, stretch));
    }
    placed
}
