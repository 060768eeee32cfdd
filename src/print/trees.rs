//! Trees that are drawn while what they show goes on; pure.

use super::{
    live::{Canvas, View},
    steps::{elapsed, more},
    tree::{Drawing, Notes, Tree},
};

/// Trees below a line that says what is waited for.
#[derive(Debug, Clone, Default)]
pub struct Trees {
    /// What is waited for.
    pub what: String,
    /// The trees.
    pub trees: Vec<Tree>,
}

impl View for Trees {
    /// Where there is no room for all, first what is said of the branches is left out, then the
    /// branches.
    fn lines(&self, canvas: &Canvas) -> Vec<String> {
        let mut lines = vec![format!("{}  {}", self.what, elapsed(canvas))];
        let room = canvas.height.saturating_sub(1);
        let whole = drawn(canvas, Notes::Cut, &self.trees);
        let roots = || -> Vec<Tree> {
            self.trees
                .iter()
                .map(|tree| Tree { root: tree.root.clone(), ..Tree::default() })
                .collect()
        };
        let fitting = [whole, drawn(canvas, Notes::None, &self.trees)];
        let mut fitting = fitting.into_iter().filter(|lines| lines.len() <= room);
        let mut below = fitting.next().unwrap_or_else(|| drawn(canvas, Notes::None, &roots()));
        if below.len() > room {
            let left_out = below.len() - room.saturating_sub(1);
            below.truncate(room.saturating_sub(1));
            below.extend(more(left_out, canvas));
        }
        lines.extend(below);
        lines
    }
}

fn drawn(canvas: &Canvas, notes: Notes, trees: &[Tree]) -> Vec<String> {
    let (room, signs, colours) = (Some(canvas.width), canvas.signs, canvas.colours);
    Drawing { room, signs, colours, notes, headers: true }.lines(trees)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::print::{Branch, Signs};

    fn branch(name: &str, notes: &[&str]) -> Branch {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        Branch { name: name.to_owned(), notes, ..Branch::default() }
    }

    #[test]
    fn what_has_no_room_is_left_out_the_least_important_first() {
        let tree = |name: &str| Tree {
            root: branch(name, &[]),
            branches: vec![branch("east", &["1 pod: Unschedulable"]), branch("west", &[])],
        };
        let trees = Trees { what: "waiting".to_owned(), trees: vec![tree("pi"), tree("tau")] };
        let names = |height: usize| {
            let (signs, elapsed) = (&Signs::BLOCKS, Duration::from_secs(5));
            let canvas = Canvas { width: 30, height, colours: false, signs, elapsed };
            let lines = trees.lines(&canvas);
            assert!(lines.len() <= height, "{lines:#?}");
            let name = |line: &String| line.split("  ").next().unwrap_or_default().to_owned();
            lines.iter().map(name).collect::<Vec<_>>().join(",")
        };
        let below = "├─ east,│,└─ west";
        assert_eq!(names(10), format!("waiting,NAME,pi,{below},tau,{below}"));
        let below = "├─ east,└─ west";
        assert_eq!(names(9), format!("waiting,NAME,pi,{below},tau,{below}"));
        assert_eq!(names(5), "waiting,NAME,pi,tau");
        assert_eq!(names(3), "waiting,NAME,");
    }
}
