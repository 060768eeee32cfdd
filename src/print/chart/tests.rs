use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    axis::ticks,
    stretch::{lanes, pieces},
    *,
};
use crate::print::Signs;

fn chart() -> Chart {
    let mut chart = Chart::new("job.batch/pi", ["CLUSTER", "PODS", "QUEUED"]);
    let cells = |cells: [&str; 3]| cells.map(str::to_owned);
    chart.row(
        cells(["east", "3", "20s"]),
        vec![
            Stretch::new(1000, Some(1010), 1040, End::Done),
            Stretch::new(1000, Some(1010), 1080, End::Done),
            Stretch::new(1040, Some(1040), 1100, End::Open),
        ],
    );
    chart.row(
        cells(["west", "2", "70s"]),
        vec![
            Stretch::new(1000, Some(1010), 1030, End::Failed),
            Stretch::new(1040, None, 1100, End::Open),
        ],
    );
    chart.row(cells(["a&b\u{1b}[2J", "0", "0s"]), Vec::new());
    chart
}

#[test]
fn a_bar_shows_how_many_ran_and_when_none_did() {
    let expected = "\
CLUSTER    PODS   QUEUED   0s                                          100s
east       3      20s      ░░░░░█████████████████████████████████▆▄▄▄▄▄▄▄▄▄
west       2      70s      ░░░░░█████████✗    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
a&b^[[2J   0      0s

░ queued  █ running  ✗ failed, from 1970-01-01T00:16:40Z to 1970-01-01T00:18:20Z: 100s
";
    assert_eq!(chart().render(None, &Signs::BLOCKS), expected);
    let ascii = chart().render(None, &Signs::ASCII);
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn what_took_no_time_is_seen() {
    let mut chart = Chart::new("job.batch/pi", ["CLUSTER"]);
    chart.row(["east".to_owned()], vec![Stretch::new(1000, Some(1000), 1000, End::Done)]);
    let text = chart.render(None, &Signs::BLOCKS);
    assert_eq!(text.lines().nth(1).map(|line| line.matches('▁').count()), Some(1), "{text}");
}

#[test]
fn a_picture_has_a_bar_for_each_stretch_and_escapes_what_is_from_outside() {
    let svg = chart().svg();
    let count = |what: &str| svg.matches(what).count();
    // Each class is once in the legend, too.
    assert_eq!(count("<rect class=\"queued\""), 1 + 4);
    assert_eq!(count("<rect class=\"running\""), 1 + 2);
    assert_eq!(count("<rect class=\"open\""), 1 + 1);
    assert_eq!(count("<rect class=\"bad\""), 1 + 1);
    assert!(svg.contains("a&amp;b^[[2J") && !svg.contains('\u{1b}'), "{svg}");
    assert!(svg.contains("<title>queued 10s, ran 70s, done</title>"), "{svg}");
}

#[test]
fn the_times_on_an_axis_are_round_and_few() {
    assert_eq!(ticks(1, 8), [0, 1]);
    assert_eq!(ticks(100, 8), [0, 15, 30, 45, 60, 75, 90]);
    assert_eq!(ticks(7200, 4), [0, 1800, 3600, 5400, 7200]);
    for span in [1, 59, 3601, 86_399, 1 << 24, 1 << 33, 1 << 52] {
        let ticks = ticks(span, 8);
        assert!((1..=9).contains(&ticks.len()), "{span}: {ticks:?}");
        assert!(ticks.iter().all(|tick| *tick <= span), "{span}: {ticks:?}");
    }
}

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    let end = prop_oneof![Just(End::Open), Just(End::Done), Just(End::Failed)];
    let one = (0..5000_i64, prop::option::of(-10..5000_i64), 0..5000_i64, end)
        .prop_map(|(from, ran, to, end)| Stretch::new(from, ran, to, end));
    prop::collection::vec(one, 0..12)
}

fn charts() -> impl Strategy<Value = Chart> {
    prop::collection::vec((any::<[String; 3]>(), stretches()), 0..5).prop_map(|rows| {
        let mut chart = Chart::new("job.batch/pi", ["CLUSTER", "PODS", "QUEUED"]);
        for (cells, stretches) in rows {
            chart.row(cells, stretches);
        }
        chart
    })
}

proptest! {
    #[test]
    fn pieces_hold_the_time_of_all(all in stretches()) {
        let pieces = pieces(&all);
        let sum = |of: fn(&super::stretch::Piece) -> usize| -> i64 {
            pieces.iter().map(|piece| (piece.to - piece.from) * of(piece) as i64).sum()
        };
        prop_assert_eq!(sum(|it| it.waiting), all.iter().map(Stretch::waited).sum::<i64>());
        prop_assert_eq!(sum(|it| it.running), all.iter().map(Stretch::ran_for).sum::<i64>());
        prop_assert!(pieces.windows(2).all(|two| two[0].to <= two[1].from));
    }

    #[test]
    fn nothing_overlaps_in_a_lane(all in stretches()) {
        let placed = lanes(&all);
        prop_assert_eq!(placed.len(), all.len());
        let mut free_from: BTreeMap<usize, i64> = BTreeMap::new();
        for (lane, stretch) in placed {
            let free = free_from.insert(lane, stretch.to).unwrap_or(i64::MIN);
            prop_assert!(free <= stretch.from);
        }
    }

    #[test]
    fn no_line_is_wider_than_the_window(chart in charts(), width in 1..200_usize) {
        for signs in [&Signs::BLOCKS, &Signs::ASCII] {
            let text = chart.render(Some(width), signs);
            for line in text.lines() {
                let wide = console::measure_text_width(line);
                prop_assert!(wide <= width, "{wide} > {width}: {line:?}");
            }
            prop_assert_eq!(text.lines().count(), chart.rows.len() + 3);
        }
    }

    #[test]
    fn a_picture_holds_no_character_that_xml_forbids(chart in charts()) {
        let svg = chart.svg();
        prop_assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
        prop_assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
