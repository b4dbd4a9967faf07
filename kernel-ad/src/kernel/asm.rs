//! Inline assembly that only reads a register of NVIDIA's processors for which Kernel IR has no word. Such registers say
//! nothing of the data; where there is no such processor they get a value all the same, so that the kernel can run.

/// What stands for the register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Some clock; the upper half of its 64 bits.
    Clock {
        /// The register holds bits 32 to 63.
        upper: bool,
    },
    /// Zero: the number of the grid, or bytes that the driver has reserved in shared memory.
    Zero,
}

/// The register that `mov.u64 $0, %globaltimer;` reads; `None` for all other assembly.
pub fn register(text: &str) -> Option<Register> {
    let (mov, operands) = text.trim().trim_end_matches(';').trim().split_once(char::is_whitespace)?;
    let from = operands.trim().strip_prefix("$0")?.trim_start().strip_prefix(',')?.trim();
    let name = from.strip_prefix('%')?;
    if !mov.starts_with("mov.") {
        return None;
    }
    match name {
        "clock64" | "globaltimer" | "globaltimer_lo" => Some(Register::Clock { upper: false }),
        "clock_hi" | "globaltimer_hi" => Some(Register::Clock { upper: true }),
        "gridid" => Some(Register::Zero),
        _ => name.starts_with("reserved_smem_offset_").then_some(Register::Zero),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a value made up for assembly that does something, or for a register that means something.
    #[test]
    fn only_reads_of_known_registers() {
        assert_eq!(register("mov.u64 $0, %globaltimer;"), Some(Register::Clock { upper: false }));
        assert_eq!(register(" mov.u32 \t$0,%globaltimer_hi; "), Some(Register::Clock { upper: true }));
        assert_eq!(register("mov.u32 $0, %reserved_smem_offset_begin;"), Some(Register::Zero));
        for other in [
            "mov.u32 $0, %tid.x;",
            "mov.u64 $0, $1;",
            "mov.u64 $0, %clock64; bar.sync 0;",
            "ld.u64 $0, %clock64;",
            "mov.u64 $1, %clock64;",
        ] {
            assert_eq!(register(other), None, "{other}");
        }
    }
}
