//! What the processor must have for a host object that was made elsewhere.

/// Extensions that an object was made to use, by LLVM's names, and this processor lacks. Names that are not known here are passed over: code
/// generation does not choose them by itself.
pub(super) fn missing(wanted: &[String]) -> Vec<&str> {
    wanted.iter().map(String::as_str).filter(|name| present(name) == Some(false)).collect()
}

/// `None` for a name that is not known.
#[cfg(target_arch = "x86_64")]
fn present(name: &str) -> Option<bool> {
    macro_rules! known {
        ($($llvm:literal = $rust:tt),* $(,)?) => {
            match name {
                $($llvm => Some(std::is_x86_feature_detected!($rust)),)*
                _ => None,
            }
        };
    }
    known! {
        "sse3" = "sse3", "ssse3" = "ssse3", "sse4.1" = "sse4.1", "sse4.2" = "sse4.2", "popcnt" = "popcnt",
        "avx" = "avx", "avx2" = "avx2", "fma" = "fma", "f16c" = "f16c", "bmi" = "bmi1", "bmi2" = "bmi2",
        "lzcnt" = "lzcnt", "movbe" = "movbe", "adx" = "adx", "avx512f" = "avx512f", "avx512bw" = "avx512bw",
        "avx512cd" = "avx512cd", "avx512dq" = "avx512dq", "avx512vl" = "avx512vl", "avx512ifma" = "avx512ifma",
        "avx512vbmi" = "avx512vbmi", "avx512vbmi2" = "avx512vbmi2", "avx512vnni" = "avx512vnni",
        "avx512bitalg" = "avx512bitalg", "avx512vpopcntdq" = "avx512vpopcntdq", "gfni" = "gfni", "vaes" = "vaes",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn present(_: &str) -> Option<bool> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    // Catches: an extension that every x86-64 processor of this age has taken for missing, and names that stop every object.
    #[test]
    fn what_is_missing_is_known() {
        let of = |names: &[&str]| -> Vec<String> { names.iter().map(|n| n.to_string()).collect() };
        assert!(missing(&of(&["sse3", "a-name-of-tomorrow", "64bit"])).is_empty());
        let all = of(&["avx512vpopcntdq", "avx2", "sse4.2"]);
        let lacks = |name: &str| missing(&all).contains(&name);
        assert_eq!(lacks("avx2"), !std::is_x86_feature_detected!("avx2"));
        assert_eq!(lacks("avx512vpopcntdq"), !std::is_x86_feature_detected!("avx512vpopcntdq"));
    }
}
