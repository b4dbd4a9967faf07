//! The digits of 2/pi, and angles reduced with them exactly.

/// The first 1280 bits behind the point.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];

/// True when these bytes, the last one first, are what 2/pi begins with: a table of its digits, the lowest word first.
pub fn are_digits(table: &[u8]) -> bool {
    let known: Vec<u8> = TWO_OVER_PI.iter().flat_map(|w| w.to_be_bytes()).collect();
    (12..=known.len()).contains(&table.len()) && table.iter().rev().zip(&known).all(|(a, b)| a == b)
}

/// How many quarter turns `x` is, less the whole ones: in [0, 1). `x` is finite.
pub fn quarter_turns(x: f64) -> f64 {
    let bits = x.abs().to_bits();
    let field = (bits >> 52) as i64;
    let mantissa = (bits & ((1 << 52) - 1)) | if field > 0 { 1 << 52 } else { 0 };
    let exponent = field.max(1) - 1075;
    // The digits of weight 1 and more, times a whole number, are whole turns.
    let digits = u128::from(word_at(exponent)) << 64 | u128::from(word_at(exponent + 64));
    let part = u128::from(mantissa).wrapping_mul(digits);
    let size = (part >> 75) as f64 / 2f64.powi(53);
    if x < 0.0 && size > 0.0 {
        1.0 - size
    } else {
        size
    }
}

/// 64 bits, from that many behind the point.
fn word_at(bit: i64) -> u64 {
    let at = |i: i64| usize::try_from(i).ok().and_then(|i| TWO_OVER_PI.get(i)).copied().unwrap_or(0);
    let (word, shift) = (bit.div_euclid(64), bit.rem_euclid(64));
    match shift {
        0 => at(word),
        s => at(word) << s | at(word + 1) >> (64 - s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a / n` for a number of many words, the highest first.
    fn quotient(a: &[u64], n: u64) -> Vec<u64> {
        let mut rest = 0u128;
        let digit = |&w: &u64| {
            let all = rest << 64 | u128::from(w);
            rest = all % u128::from(n);
            (all / u128::from(n)) as u64
        };
        a.iter().map(digit).collect()
    }

    fn add(a: &mut [u64], b: &[u64]) {
        let mut carry = false;
        for (x, y) in a.iter_mut().zip(b).rev() {
            let (s, c) = x.overflowing_add(*y);
            let (s, d) = s.overflowing_add(u64::from(carry));
            (*x, carry) = (s, c || d);
        }
    }

    fn negated(a: &[u64]) -> Vec<u64> {
        let mut out: Vec<u64> = a.iter().map(|w| !w).collect();
        let mut one = vec![0; a.len()];
        *one.last_mut().unwrap() = 1;
        add(&mut out, &one);
        out
    }

    /// `factor * atan(1/n)` by its series: one word before the point, `words` behind it.
    fn atan(factor: u64, n: u64, words: usize) -> Vec<u64> {
        let mut term = vec![0; words + 1];
        term[0] = factor;
        term = quotient(&term, n);
        let mut sum = term.clone();
        for k in 1.. {
            term = quotient(&term, n * n);
            if term.iter().all(|&w| w == 0) {
                return sum;
            }
            let t = quotient(&term, 2 * k + 1);
            add(&mut sum, &if k % 2 == 1 { negated(&t) } else { t });
        }
        unreachable!()
    }

    /// Catches a wrong digit: pi by Machin's formula, times these digits, is two.
    #[test]
    fn digits_of_two_over_pi() {
        let words = TWO_OVER_PI.len() + 2;
        let mut pi = atan(16, 5, words);
        add(&mut pi, &negated(&atan(4, 239, words)));
        assert_eq!(pi[0], 3);
        // Schoolbook product: digit i has weight 2^(-64 (i+1)), pi's word j has weight 2^(-64 j).
        let mut product = vec![0u64; words + TWO_OVER_PI.len() + 3];
        for (i, &d) in TWO_OVER_PI.iter().enumerate() {
            for (j, &p) in pi.iter().enumerate() {
                let wide = u128::from(d) * u128::from(p);
                let mut part = vec![0u64; product.len()];
                (part[i + j], part[i + j + 1]) = ((wide >> 64) as u64, wide as u64);
                add(&mut product, &part);
            }
        }
        // Cut off, so just below two; the last word may be off by pi times one unit.
        assert_eq!(product[0], 1);
        assert!(product[1..TWO_OVER_PI.len()].iter().all(|&w| w == u64::MAX), "{product:x?}");
    }

    /// Catches a shift or a sign that is wrong for some exponents.
    #[test]
    fn reduced_angles() {
        use std::f64::consts::FRAC_2_PI;
        for x in [0.0, 1e-300, 0.3, 1.0, 1.6, 3.2, -0.2, -5.5, 77.7, -12345.678] {
            let want = (x * FRAC_2_PI).rem_euclid(1.0);
            assert!((quarter_turns(x) - want).abs() < 1e-11, "{x}: {} {want}", quarter_turns(x));
        }
        // Sines of large numbers, from libm's own reduction.
        for x in [1e9, 2.5e15, 1e22, -7.7e100, 1e300, f64::MAX] {
            let t = quarter_turns(x) / FRAC_2_PI;
            let sines = [x.sin().abs(), x.cos().abs()];
            assert!(sines.iter().any(|s| (t.sin() - s).abs() < 1e-12), "{x}: {} {sines:?}", t.sin());
        }
    }
}
