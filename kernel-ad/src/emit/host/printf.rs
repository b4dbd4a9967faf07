//! What the calls that `printf` is made of are on the CPU device.

use crate::emit::text::Operand;

/// Result type, name and arguments of the runtime's function: CUDA's one call, or a link of HIP's chain of calls.
pub(super) fn import(
    callee: &str,
    args: &[Operand],
    ctx: &Operand,
) -> Option<(&'static str, &'static str, Vec<Operand>)> {
    let list = |args: &[&Operand]| std::iter::once(ctx).chain(args.iter().copied()).cloned().collect();
    Some(match (callee, args) {
        ("vprintf", [format, values]) => ("i32", "kad_vprintf", list(&[format, values])),
        ("__ockl_printf_begin", _) => ("i64", "kad_printf_begin", list(&[])),
        ("__ockl_printf_append_args", [_, count, words @ .., last]) if words.len() == 7 => {
            let all: Vec<&Operand> = [last, count].into_iter().chain(words).collect();
            ("i64", "kad_printf_words", list(&all))
        }
        ("__ockl_printf_append_string_n", [_, text, bytes, last]) => {
            ("i64", "kad_printf_text", list(&[last, text, bytes]))
        }
        _ => return None,
    })
}
