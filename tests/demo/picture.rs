//! A terminal session as an SVG picture.

use std::fmt::Write as _;

/// Columns of the terminal that is drawn, at least.
const COLUMNS: usize = 80;

/// The width of a character, in pixels, in a monospace font of [`FONT`].
const ADVANCE: f64 = 8.43;

/// The size of the font, in pixels.
const FONT: usize = 14;

/// The height of a line, in pixels.
const LEADING: usize = 20;

/// The room around the text, in pixels.
const MARGIN: usize = 18;

/// What begins a line that was typed.
const PROMPT: &str = "$ ";

/// Draws lines as a terminal shows them; those that begin with a prompt were typed.
pub fn svg(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(COLUMNS);
    let width = (columns as f64 * ADVANCE).ceil() as usize + 2 * MARGIN;
    let height = lines.len() * LEADING + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"A session of kubectl federate\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1e2430\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" \
         font-size=\"{FONT}\" fill=\"#d8dee9\" xml:space=\"preserve\">\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + number * LEADING + FONT;
        let _ = match line.strip_prefix(PROMPT) {
            Some(typed) => writeln!(
                svg,
                "<text x=\"{MARGIN}\" y=\"{y}\"><tspan fill=\"#8fbc6f\">{PROMPT}</tspan>\
                 <tspan font-weight=\"bold\" fill=\"#ffffff\">{}</tspan></text>",
                escaped(typed)
            ),
            None => writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(line)),
        };
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// The text as character data.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
