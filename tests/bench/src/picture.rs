//! The wall times as a picture: SVG that needs nothing beside it.

use std::fmt::Write as _;

use crate::rows::{Measure, Row, Subject};

/// The height of a line, the left side of the bars, and the width of a whole one, in pixels.
const LINE: usize = 22;
const BARS: usize = 330;
const WHOLE: f64 = 400.0;

/// What the classes look like; for viewers that prefer a dark page, too.
const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}
.page{fill:#ffffff}.whole{fill:#d1d9e0}.ours{fill:#1a7f37}.goal{stroke:#cf222e;stroke-width:2}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.whole{fill:#3d444d}
.ours{fill:#3fb950}.goal{stroke:#f85149}}";

/// A bar for each program that this build is compared with: how much of its wall time this build
/// takes.
pub fn svg(rows: &[&Row]) -> String {
    let mut lines = String::new();
    let mut y = 40;
    for row in rows {
        for subject in row.samples.keys().filter(|subject| **subject != Subject::Ours) {
            let Some(ratio) = row.ratio(*subject, Measure::Wall) else { continue };
            let label = format!("{} / {subject}", row.name);
            let (text, ours) = (y + 12, ratio.min(1.0) * WHOLE);
            let _ = writeln!(
                lines,
                r#"<text x="16" y="{text}">{label}</text><rect class="whole" x="{BARS}" y="{y}" width="{WHOLE}" height="16"/><rect class="ours" x="{BARS}" y="{y}" width="{ours:.1}" height="16"/><text x="{end}" y="{text}">{ratio:.3}</text>"#,
                end = BARS as f64 + WHOLE + 12.0,
            );
            let goal = |goal: &&crate::rows::Goal| {
                goal.of == Some(*subject) && goal.measure == Measure::Wall
            };
            if let Some(goal) = row.goals.iter().find(goal) {
                let (x, bottom) = (BARS as f64 + goal.most * WHOLE, y + 18);
                let top = y - 2;
                let _ = writeln!(
                    lines,
                    r#"<line class="goal" x1="{x:.1}" x2="{x:.1}" y1="{top}" y2="{bottom}"/>"#
                );
            }
            y += LINE;
        }
    }
    let (width, height) = (BARS as f64 + WHOLE + 80.0, y + 12);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Wall time of this build, as a \
         share of others\">\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" \
         height=\"{height}\"/>\n<text x=\"16\" y=\"24\">Wall time of this build, as a share of \
         that of another program; red: the goal</text>\n{lines}</svg>\n"
    )
}
