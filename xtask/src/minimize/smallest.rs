//! Delta debugging: the smallest part of a whole that a judge still passes (A. Zeller, R. Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002, `ddmin`). Pure.

use anyhow::Result;

/// What the judge says of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Passes,
    Fails,
    /// No more questions.
    Enough,
}

/// The smallest part that was seen to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub part: Vec<T>,
    /// Without any single one of it, it was seen to fail.
    pub is_least: bool,
}

/// Looks for it, given that the whole passes. Where the judge's answers go up and down as more is
/// taken away, another part may be smaller still; this one passes all the same.
///
/// # Errors
/// Those of the judge.
pub(crate) fn smallest<T: Clone>(
    whole: &[T],
    mut judge: impl FnMut(&[T]) -> Result<Answer>,
) -> Result<Found<T>> {
    let mut part = whole.to_vec();
    // More often than not, nothing of it is missed.
    let mut parts: Vec<Vec<T>> = if part.is_empty() { vec![] } else { vec![vec![]] };
    let mut pieces = 1;
    loop {
        let mut passing = None;
        for smaller in parts {
            match judge(&smaller)? {
                Answer::Enough => return Ok(Found { part, is_least: false }),
                Answer::Passes => {
                    passing = Some(smaller);
                    break;
                }
                Answer::Fails => {}
            }
        }
        pieces = match passing {
            Some(smaller) => {
                // Of a piece nothing is known; of all but one, each piece is known to be missed alone.
                let was_piece = smaller.len() <= part.len().div_ceil(pieces);
                part = smaller;
                if was_piece { 2 } else { (pieces - 1).max(2) }
            }
            None if pieces >= part.len() => return Ok(Found { part, is_least: true }),
            None => pieces * 2,
        };
        pieces = pieces.min(part.len());
        parts = smaller_parts(&part, pieces);
    }
}

/// Each of so many pieces, then all but each of them; of two pieces, one is all but the other.
fn smaller_parts<T: Clone>(part: &[T], pieces: usize) -> Vec<Vec<T>> {
    if pieces < 2 {
        return vec![];
    }
    let bound = |index: usize| index * part.len() / pieces;
    let each: Vec<_> = (0..pieces).map(|index| bound(index)..bound(index + 1)).collect();
    let mut parts: Vec<Vec<T>> = each.iter().map(|piece| part[piece.clone()].to_vec()).collect();
    if pieces > 2 {
        let rest =
            |piece: &std::ops::Range<usize>| [&part[..piece.start], &part[piece.end..]].concat();
        parts.extend(each.iter().map(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is found of `0..count`, and the number of questions.
    fn find(count: usize, passes: impl Fn(&BTreeSet<usize>) -> bool) -> (Found<usize>, usize) {
        let whole: Vec<usize> = (0..count).collect();
        let mut asked = 0;
        let found = smallest(&whole, |part| {
            asked += 1;
            assert!(part.len() < count, "the whole is known to pass");
            let part = part.iter().copied().collect();
            Ok(if passes(&part) { Answer::Passes } else { Answer::Fails })
        });
        (found.unwrap(), asked)
    }

    #[test]
    fn one_question_is_enough_where_nothing_is_missed() {
        let (found, asked) = find(100, |_| true);
        assert_eq!((found.part.len(), found.is_least, asked), (0, true, 1));
        assert_eq!(find(0, |_| true), (Found { part: vec![], is_least: true }, 0));
        assert_eq!(find(1, |part| !part.is_empty()).0.part, [0]);
    }

    #[test]
    fn what_is_needed_is_found_whatever_it_is() {
        let needed: [&[usize]; 6] =
            [&[0], &[99], &[41, 42], &[0, 50, 99], &[3, 5, 7, 11, 13, 17], &[10, 20, 30, 40, 90]];
        for needed in needed {
            let (found, asked) = find(100, |part| needed.iter().all(|one| part.contains(one)));
            assert_eq!((found.part.as_slice(), found.is_least), (needed, true));
            assert!(asked < 100 * needed.len(), "{asked} questions for {needed:?}");
        }
        let (found, _) = find(20, |part| part.len() == 20);
        assert_eq!((found.part.len(), found.is_least), (20, true));
    }

    #[test]
    fn one_of_two_is_enough() {
        let (found, _) = find(32, |part| part.contains(&4) || part.contains(&28));
        assert!([vec![4], vec![28]].contains(&found.part), "{found:?}");
    }

    /// Taking more away can mend what taking less away broke: 7 works only without 3.
    #[test]
    fn answers_that_go_up_and_down_lead_to_what_passes_and_no_single_one_can_leave() {
        let passes = |part: &BTreeSet<usize>| {
            part.contains(&12) && (!part.contains(&7) || part.contains(&3)) && part.len() % 3 != 2
        };
        let (found, _) = find(24, passes);
        let part: BTreeSet<usize> = found.part.iter().copied().collect();
        assert!(found.is_least && passes(&part), "{part:?}");
        for one in &part {
            let mut less = part.clone();
            less.remove(one);
            assert!(!passes(&less), "{part:?} without {one}");
        }
    }

    #[test]
    fn who_has_had_enough_gets_the_best_so_far() {
        let whole: Vec<usize> = (0..64).collect();
        let mut left = 6;
        let found = smallest(&whole, |part| {
            left -= 1;
            Ok(match (left, part.contains(&9)) {
                (0, _) => Answer::Enough,
                (_, true) => Answer::Passes,
                (_, false) => Answer::Fails,
            })
        });
        let found = found.unwrap();
        assert!(found.part.contains(&9) && found.part.len() < 64 && !found.is_least, "{found:?}");
        assert!(smallest(&whole, |_| anyhow::bail!("no")).is_err());
    }
}
