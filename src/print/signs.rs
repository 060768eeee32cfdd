//! The characters that bars and trees are drawn with.

/// A set of characters that a terminal can show.
#[derive(Debug, PartialEq, Eq)]
pub struct Signs {
    /// What has been done.
    pub done: char,
    /// What runs.
    pub running: char,
    /// What has failed.
    pub failed: char,
    /// What is left to do.
    pub left: char,
    /// What waits.
    pub waiting: char,
    /// A little runs, up to all.
    pub levels: &'static [char],
    /// Before a branch that others follow, before the last one, and before what is below each.
    pub branches: [&'static str; 4],
    /// In place of what has no room.
    pub more: &'static str,
}

impl Signs {
    /// Those of terminals that show boxes and blocks.
    pub const BLOCKS: Self = Self {
        done: '█',
        running: '▒',
        failed: '✗',
        left: '·',
        waiting: '░',
        levels: &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        branches: ["├─ ", "└─ ", "│  ", "   "],
        more: "…",
    };

    /// Those of every terminal.
    pub const ASCII: Self = Self {
        done: '#',
        running: '=',
        failed: 'x',
        left: '.',
        waiting: '-',
        levels: &['='],
        branches: ["|- ", "`- ", "|  ", "   "],
        more: "~",
    };
}
