//! Registers of NVIDIA's processors that no CPU has.

use crate::emit::lower::Lower;
use crate::emit::text::Operand;
use crate::kernel::asm::Register;

/// What stands for one, as an integer of that width.
pub(super) fn value(cx: &mut Lower<'_>, r: Register, width: u16) -> Operand {
    let ty = format!("i{width}");
    match r {
        Register::Zero => Operand::new(ty, "0"),
        Register::Clock { upper } => {
            let mut now = cx.call("i64", "llvm.readcyclecounter", &[]);
            if upper {
                now = cx.f.value("i64", format_args!("lshr {now}, 32"));
            }
            match width {
                64 => now,
                _ => cx.f.value(&ty, format_args!("trunc {now} to {ty}")),
            }
        }
    }
}
