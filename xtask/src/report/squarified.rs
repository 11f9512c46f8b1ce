//! Areas in a rectangle, each as near to a square as they can be: the algorithm of Bruls, Huizing and
//! van Wijk, "Squarified Treemaps" (2000).

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

/// One rectangle for each value; the largest values come first.
pub(super) fn squarified(values: &[u64], into: Rect) -> Vec<Rect> {
    let total: u64 = values.iter().sum();
    if total == 0 {
        return values.iter().map(|_| Rect { w: 0.0, h: 0.0, ..into }).collect();
    }
    let scale = into.w * into.h / total as f64;
    let areas: Vec<f64> = values.iter().map(|value| *value as f64 * scale).collect();
    let (mut free, mut rects, mut rest) = (into, vec![], areas.as_slice());
    while !rest.is_empty() {
        let short = free.w.min(free.h);
        let row = |count: usize| worst(&rest[..count], short);
        let better = |count: &usize| row(*count) <= row(count - 1);
        let count = (2..=rest.len()).take_while(better).last().unwrap_or(1);
        let (row, after) = rest.split_at(count);
        free = lay(row, free, &mut rects);
        rest = after;
    }
    rects
}

/// The longest side ratio in a row along a side of that length.
fn worst(row: &[f64], side: f64) -> f64 {
    let thick = row.iter().sum::<f64>() / side;
    row.iter().map(|area| area / thick / thick).map(|r| r.max(1.0 / r)).fold(0.0, f64::max)
}

/// Puts a row along the shorter side, and gives what is left.
fn lay(row: &[f64], free: Rect, rects: &mut Vec<Rect>) -> Rect {
    let Rect { mut x, mut y, w, h } = free;
    let area: f64 = row.iter().sum();
    let share = |one: &f64| if area > 0.0 { one / area } else { 0.0 };
    let thick = |short: f64, long: f64| if short > 0.0 { (area / short).min(long) } else { 0.0 };
    if w >= h {
        let thick = thick(h, w);
        for one in row {
            rects.push(Rect { x, y, w: thick, h: h * share(one) });
            y += h * share(one);
        }
        Rect { x: x + thick, w: w - thick, ..free }
    } else {
        let thick = thick(w, h);
        for one in row {
            rects.push(Rect { x, y, w: w * share(one), h: thick });
            x += w * share(one);
        }
        Rect { y: y + thick, h: h - thick, ..free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_paper() {
        let into = Rect { x: 0.0, y: 0.0, w: 6.0, h: 4.0 };
        let rects = squarified(&[6, 6, 4, 3, 2, 2, 1], into);
        let told: Vec<String> =
            rects.iter().map(|r| format!("{:.2},{:.2} {:.2}x{:.2}", r.x, r.y, r.w, r.h)).collect();
        assert_eq!(
            told,
            [
                "0.00,0.00 3.00x2.00",
                "0.00,2.00 3.00x2.00",
                "3.00,0.00 1.71x2.33",
                "4.71,0.00 1.29x2.33",
                "3.00,2.33 1.20x1.67",
                "4.20,2.33 1.20x1.67",
                "5.40,2.33 0.60x1.67",
            ]
        );
    }

    #[test]
    fn areas_are_kept_and_inside() {
        let into = Rect { x: 5.0, y: 7.0, w: 100.0, h: 50.0 };
        let values: Vec<u64> = (1..300).rev().map(|n| n * n).collect();
        let (rects, total) = (squarified(&values, into), values.iter().sum::<u64>() as f64);
        for (rect, value) in rects.iter().zip(&values) {
            let share = rect.w * rect.h / (into.w * into.h);
            assert!((share - *value as f64 / total).abs() < 1e-9, "{rect:?} for {value}");
            assert!(rect.x >= into.x - 1e-6 && rect.x + rect.w <= into.x + into.w + 1e-6);
            assert!(rect.y >= into.y - 1e-6 && rect.y + rect.h <= into.y + into.h + 1e-6);
        }
    }

    #[test]
    fn nothing_is_laid_out_as_nothing() {
        let into = Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
        assert!(squarified(&[], into).is_empty());
        assert!(squarified(&[0, 0], into).iter().all(|rect| rect.w * rect.h == 0.0));
        let rects = squarified(&[u64::MAX >> 8, 1, 0], into);
        assert!(rects.iter().all(|r| r.w.is_finite() && r.h.is_finite()), "{rects:?}");
    }
}
