//! Result codes that the bindings' enumerations hold. Another value would be undefined behaviour in them.

const UNKNOWN: i32 = 999;

/// A code of cust_raw's `CUresult`, or "unknown".
#[rustfmt::skip]
pub fn cuda(code: i32) -> i32 {
    match code {
        0..=8 | 34 | 100..=102 | 200..=202 | 205..=224 | 300..=304 | 400..=401 | 500 | 600 | 700..=705 | 708..=720 | 800..=809 | 900..=911 | 999 => code,
        _ => UNKNOWN,
    }
}

/// A code of hip-sys' `hipError_t`, or "unknown".
#[rustfmt::skip]
pub fn hip(code: i32) -> i32 {
    match code {
        0..=9 | 12..=13 | 17 | 21 | 35 | 52..=53 | 98 | 100..=101 | 200..=202 | 205..=219 | 300..=304 | 400..=401 | 500 | 600 | 700..=702 | 704..=705 | 708..=710 | 712..=713 | 719..=720 | 801 | 900..=908 | 910 | 999 | 1052..=1054 => code,
        _ => UNKNOWN,
    }
}
