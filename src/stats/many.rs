//! More than one question at once: many concepts (e-BH), many versions of one piece of evidence, and a ladder of prices.
//! Works on evidence and ranges that the models hand in; knows no model.

/// Which of the `evidence` (log e-values, one per concept) may be acted on when at most `alpha` of those acted on may
/// be wrong on average: the e-BH procedure, valid however the concepts hang together (Wang & Ramdas 2022). `tests` is how
/// many were ever begun, at least as many as there is evidence of. Positions in ascending order; a tie is never split.
pub fn e_bh(evidence: &[f64], tests: usize, alpha: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..evidence.len()).filter(|&at| !evidence[at].is_nan()).collect();
    order.sort_by(|&one, &other| evidence[other].total_cmp(&evidence[one]));
    let enough = |taken: usize| (count(tests) / (count(taken) * alpha)).ln();
    let taken = (1..=order.len()).rev().find(|&taken| evidence[order[taken - 1]] >= enough(taken)).unwrap_or(0);
    order.truncate(taken);
    order.sort_unstable();
    order
}

/// Logarithm of the mean of e-values given by their logarithms: itself evidence, whatever hangs together. `None` of none.
pub fn mean_log_e(evidence: &[f64]) -> Option<f64> {
    let most = evidence.iter().copied().reduce(f64::max)?;
    if most.is_infinite() {
        return Some(most);
    }
    let sum: f64 = evidence.iter().map(|log_e| (log_e - most).exp()).sum();
    Some(most + (sum / count(evidence.len())).ln())
}

/// The non-increasing sequence nearest to `(value, weight)` pairs: pool adjacent violators (Ayer et al. 1955). A pair
/// without weight takes the value of what it is pooled with.
pub fn isotonic_decreasing(pairs: &[(f64, f64)]) -> Vec<f64> {
    let mut blocks: Vec<Block> = Vec::with_capacity(pairs.len());
    for &(value, weight) in pairs {
        let mut block = Block { value, weight, length: 1 };
        while let Some(before) = blocks.pop_if(|before| before.value < block.value) {
            block = before.pooled_with(&block);
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|block| std::iter::repeat_n(block.value, block.length)).collect()
}

struct Block {
    value: f64,
    weight: f64,
    length: usize,
}

impl Block {
    fn pooled_with(&self, next: &Self) -> Self {
        let (weight, length) = (self.weight + next.weight, self.length + next.length);
        let share = if weight > 0.0 { next.weight / weight } else { count(next.length) / count(length) };
        Self { value: self.value + (next.value - self.value) * share, weight, length }
    }
}

/// What a ladder of prices shows once the rates share their strength.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// Ends of the take rate at each price, ascending prices: none may rise with the price.
    pub rates: Vec<(f64, f64)>,
    /// The same in money per visit.
    pub revenue: Vec<(f64, f64)>,
    /// The prices not ruled out: some rate within the ends makes them earn the most. One of them is the best.
    pub open: Vec<usize>,
}

/// Prices in ascending order with the ends of their take rate, which hold together: people take a dearer offer no
/// more often, so the lower end of a price holds for all below it, and its upper end for all above (statistics of the
/// pricing ladder, section 11).
pub fn ladder(prices: &[f64], ends: &[(f64, f64)]) -> Ladder {
    let mut rates = ends.to_vec();
    for at in (1..rates.len()).rev() {
        rates[at - 1].0 = rates[at - 1].0.max(rates[at].0);
    }
    for at in 1..rates.len() {
        rates[at].1 = rates[at].1.min(rates[at - 1].1);
    }
    let revenue: Vec<(f64, f64)> =
        prices.iter().zip(&rates).map(|(price, rate)| (price * rate.0, price * rate.1)).collect();
    let floor = revenue.iter().map(|ends| ends.0).fold(0.0, f64::max);
    let open = (0..revenue.len()).filter(|&at| revenue[at].1 > floor || revenue[at].0 >= floor).collect();
    Ladder { rates, revenue, open }
}

#[expect(clippy::cast_precision_loss, reason = "nobody tests 2^53 concepts")]
fn count(of: usize) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concepts_that_ended_long_ago_still_count() {
        // 20 e-values of one concept each suffice at alpha 0.05 if it is alone, not if it is the only find among two.
        assert_eq!(e_bh(&[20.5_f64.ln()], 1, 0.05), [0]);
        assert_eq!(e_bh(&[20.5_f64.ln()], 2, 0.05), Vec::<usize>::new());
        assert_eq!(e_bh(&[f64::NAN, 41.0_f64.ln(), f64::NEG_INFINITY], 2, 0.05), [1]);
        assert_eq!(e_bh(&[], 0, 0.05), Vec::<usize>::new());
    }

    #[test]
    fn no_evidence_at_all_is_not_a_number_that_is_not_one() {
        assert_eq!(mean_log_e(&[]), None);
        assert_eq!(mean_log_e(&[f64::NEG_INFINITY; 3]), Some(f64::NEG_INFINITY));
        assert_eq!(mean_log_e(&[f64::INFINITY, 1.0]), Some(f64::INFINITY));
    }

    #[test]
    fn prices_lend_each_other_strength_and_the_best_is_named_only_when_it_must_be() {
        let ends = [(0.02, 0.08), (0.05, 0.09), (0.0, 0.03)];
        let shared = ladder(&[10.0, 20.0, 30.0], &ends);
        assert_eq!(shared.rates, [(0.05, 0.08), (0.05, 0.08), (0.0, 0.03)]);
        assert_eq!(shared.revenue, [(0.5, 0.8), (1.0, 1.6), (0.0, 0.899_999_999_999_999_9)]);
        assert_eq!(shared.open, [1]);
        let unclear = ladder(&[10.0, 20.0], &[(0.02, 0.08), (0.01, 0.09)]);
        assert_eq!(unclear.open, [0, 1]);
        assert_eq!(ladder(&[10.0], &[(0.0, 1.0)]).open, [0]);
        assert_eq!(ladder(&[], &[]).open, Vec::<usize>::new());
    }
}
