//! Shares that are none, or at least so many pods.

use std::cmp::Reverse;

use super::shares::{Exact, Line};
use super::terms::Terms;

/// Whether a whole can be divided over members with these lines so that no share is below `least`.
///
/// No more members than `whole / least` get a share. They can have the whole between them if and
/// only if those with the largest limits can.
pub(super) fn divides(whole: i128, least: i128, lines: &[Line]) -> bool {
    least <= 1 || can_hold(whole, least, lines.iter().filter_map(|line| taker(least, *line)))
}

/// The members that get a share if no share may be below `least`, with lines that allow them no
/// less.
///
/// While there are shares that are too small, the smallest is left out, and the others get its
/// pods. A member that has a minimum or a shard is left out only if there are not enough pods for
/// all. What is still too small then is raised.
///
/// The whole must be divisible over the lines, and `least` at most the whole.
pub(super) fn fit(
    whole: i128,
    least: i128,
    terms: Vec<Terms<'_>>,
    lines: Vec<Line>,
) -> (Vec<Terms<'_>>, Vec<Line>) {
    if least <= 1 {
        return (terms, lines);
    }
    let with_line = |(terms, line)| Some((terms, taker(least, line)?));
    let mut takers: Vec<_> = terms.into_iter().zip(lines).filter_map(with_line).collect();
    while let Some(i) = dispensable(whole, least, &takers) {
        takers.remove(i);
    }
    let (terms, mut lines): (Vec<_>, Vec<_>) = takers.into_iter().unzip();
    raise(whole, least, &mut lines);
    (terms, lines)
}

/// The line of a member that can get `least` or more; none for another. A member without weight
/// gets no more than its floor.
fn taker(least: i128, line: Line) -> Option<Line> {
    let floor = if line.weight == 0 { line.floor.max(least) } else { line.floor };
    (line.most() > 0 && line.ceiling >= least).then_some(Line { floor, ..line })
}

/// Whether those with the largest limits can have the whole between them.
fn can_hold(whole: i128, least: i128, takers: impl Iterator<Item = Line>) -> bool {
    let mut most: Vec<i128> = takers.map(|line| line.most()).collect();
    if most.iter().any(|most| *most >= whole) {
        return true;
    }
    most.sort_unstable_by_key(|most| Reverse(*most));
    most.iter().take((whole / least) as usize).sum::<i128>() >= whole
}

/// The member that is left out next; none if those that are there stay.
fn dispensable(whole: i128, least: i128, takers: &[(Terms<'_>, Line)]) -> Option<usize> {
    let lines: Vec<Line> = takers.iter().map(|(_, line)| *line).collect();
    let shares = Exact::divide(whole, &lines);
    let small: Vec<bool> = shares.neighbours().map(|(below, _)| below < least).collect();
    if !small.contains(&true) {
        return None;
    }
    let too_many = takers.len() as i128 > whole / least;
    let shares = shares.compared();
    let wish = |i: usize| {
        let keeps = takers[i].0.kept_parallelism.max(takers[i].0.kept_completions) > 0;
        (keeps, !small[i], lines[i].base > 0, shares[i], Reverse(i))
    };
    let is_wanted = |i: usize| !small[i] || lines[i].floor > 0;
    let mut order: Vec<usize> = (0..lines.len()).filter(|i| too_many || !is_wanted(*i)).collect();
    order.sort_by_key(|i| wish(*i));
    let others = |i: usize| (0..lines.len()).filter(move |j| *j != i).map(|j| lines[j]);
    order.into_iter().find(|i| can_hold(whole, least, others(*i)))
}

/// Gives each line a floor of at least `least`. Where the floors sum to more than the whole, minima
/// are served before what members have, and `least` before both.
fn raise(whole: i128, least: i128, lines: &mut [Line]) {
    for line in &mut *lines {
        line.floor = line.floor.max(least);
    }
    if lines.iter().map(|line| line.floor).sum::<i128>() < whole {
        return;
    }
    let minima: i128 = lines.iter().map(|line| line.base.max(least)).sum();
    for line in lines {
        line.base = if minima <= whole { line.base.max(least) } else { least };
    }
}
