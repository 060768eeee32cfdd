//! A chart as a picture: SVG that needs nothing beside it; pure.

use std::fmt::Write as _;

use console::measure_text_width;

use super::{
    Chart, Row,
    axis::ticks,
    stretch::{End, Stretch, lanes},
};
use crate::print::{age, escape};

/// The width of a character in pixels, at the size of the font.
const ADVANCE: f64 = 7.25;

/// The size of the font in pixels.
const FONT: usize = 12;

/// The room around everything and between columns, in pixels.
const MARGIN: f64 = 16.0;

/// The width of the bars in pixels.
const BARS: f64 = 640.0;

/// The height of what is above the first row, in pixels.
const HEAD: f64 = 72.0;

/// The height of a row without the gap below it, in pixels: at least, and at most.
const ROW: (f64, f64) = (18.0, 120.0);

/// The gap between two rows in pixels.
const GAP: f64 = 8.0;

/// The height of a lane of a row in pixels, where there is room.
const LANE: f64 = 6.0;

/// The most times that are written on the axis beside the first.
const TIMES: i64 = 8;

/// What the classes look like; for viewers that prefer a dark page, too.
const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}
.page{fill:#ffffff}.head{font-weight:bold}.time{fill:#59636e}
.grid{stroke:#d1d9e0}.queued{fill:#c8d1da}.running{fill:#1a7f37}.open{fill:#0969da}
.bad{fill:#cf222e}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.time{fill:#9198a1}
.grid{stroke:#3d444d}.queued{fill:#4b535d}.running{fill:#3fb950}.open{fill:#4493f8}
.bad{fill:#f85149}}";

/// What each class of a bar means.
const LEGEND: [(&str, &str); 4] =
    [("queued", "queued"), ("running", "ran"), ("open", "runs"), ("bad", "failed")];

/// Where things are, in pixels.
struct Places {
    /// The left side of each column of cells.
    columns: Vec<f64>,
    /// The left side of the bars.
    bars: f64,
    /// From when to when the axis goes, in seconds since 1970.
    span: (i64, i64),
}

impl Places {
    fn x(&self, at: i64) -> f64 {
        let (from, to) = self.span;
        self.bars + (at - from) as f64 / (to - from) as f64 * BARS
    }
}

impl Chart {
    /// The chart as an SVG picture.
    pub fn svg(&self) -> String {
        let places = self.places();
        // The last time may stand at the end of the axis.
        let width = (places.bars + BARS + 3.0 * MARGIN).ceil();
        let mut rows = String::new();
        let mut y = HEAD;
        for row in &self.rows {
            y += row.draw(&mut rows, &places, y) + GAP;
        }
        let (title, caption) = (escaped(&self.title), escaped(&self.caption()));
        let height = (y + MARGIN).ceil();
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title caption\">\n\
             <title id=\"title\">{title}</title>\n<desc id=\"caption\">{caption}</desc>\n\
             <style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"
        );
        say(&mut svg, "head", MARGIN, 24.0, &format!("{} {}", self.title, self.caption()));
        legend(&mut svg, places.bars);
        for (header, x) in self.headers.iter().zip(&places.columns) {
            say(&mut svg, "time", *x, HEAD - 10.0, header);
        }
        let (from, to) = places.span;
        for tick in ticks(to - from, TIMES) {
            let x = places.x(from + tick);
            let bottom = y - GAP;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{HEAD}\" x2=\"{x:.1}\" \
                 y2=\"{bottom:.1}\"/>"
            );
            let time = age::human(jiff::SignedDuration::from_secs(tick));
            say(&mut svg, "time", x, HEAD - 10.0, &time);
        }
        svg.push_str(&rows);
        svg.push_str("</svg>\n");
        svg
    }

    fn places(&self) -> Places {
        let mut columns = Vec::new();
        let mut x = MARGIN;
        for (n, header) in self.headers.iter().enumerate() {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(n));
            let widest = cells.map(|cell| measure_text_width(&escape::line(cell))).max();
            let widest = widest.unwrap_or(0).max(header.len());
            columns.push(x);
            x += widest as f64 * ADVANCE + MARGIN;
        }
        Places { columns, bars: x, span: self.span() }
    }
}

impl Row {
    /// Draws the row below `y`, and gives its height.
    fn draw(&self, svg: &mut String, places: &Places, y: f64) -> f64 {
        let lanes = lanes(&self.stretches);
        let count = lanes.iter().map(|(lane, _)| lane + 1).max().unwrap_or(1) as f64;
        let (least, most) = ROW;
        let height = (count * LANE).clamp(least, most);
        for (cell, x) in self.cells.iter().zip(&places.columns) {
            say(svg, "cell", *x, y + FONT as f64, cell);
        }
        let lane_height = height / count;
        for (lane, stretch) in lanes {
            let top = y + lane as f64 * lane_height;
            draw(svg, places, &stretch, (top, lane_height));
        }
        height
    }
}

/// Draws one stretch in its lane.
fn draw(svg: &mut String, places: &Places, stretch: &Stretch, (top, lane): (f64, f64)) {
    let Stretch { from, ran, to, end } = *stretch;
    let seconds = |count| age::human(jiff::SignedDuration::from_secs(count));
    let (word, class) = match end {
        End::Open => ("runs on", "open"),
        End::Done => ("done", "running"),
        End::Failed => ("failed", "bad"),
    };
    let (waited, worked) = (seconds(stretch.waited()), seconds(stretch.ran_for()));
    let _ = write!(svg, "<g><title>queued {waited}, ran {worked}, {word}</title>");
    let height = (lane - 1.0).max(lane * 0.6);
    let mut rect = |class: &str, left: f64, right: f64| {
        // What took no time is seen, too.
        let width = (right - left).max(1.0);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        );
    };
    if from < ran {
        rect("queued", places.x(from), places.x(ran));
    }
    if ran < to || from == to || end == End::Failed {
        rect(class, places.x(ran), places.x(to));
    }
    svg.push_str("</g>\n");
}

/// Writes what the colours mean, above the bars.
fn legend(svg: &mut String, left: f64) {
    let mut x = left;
    for (class, word) in LEGEND {
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"35\" width=\"10\" height=\"10\"/>"
        );
        say(svg, "time", x + 15.0, 44.0, word);
        x += 15.0 + word.len() as f64 * ADVANCE + MARGIN;
    }
}

fn say(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let text = escaped(text);
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

/// Text from outside as character data.
fn escaped(text: &str) -> String {
    let text = escape::line(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
