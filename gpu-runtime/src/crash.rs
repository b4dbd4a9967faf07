//! What a program was doing when the processor stopped it.
//!
//! The CPU device runs kernels as they are, without a check of each access: a kernel that leaves its buffers ends the process, as it
//! would with any other compiled code. [`watch`] lets a program say which kernel it was before it ends. Programs ask for it,
//! libraries should not: the handlers of signals belong to the whole process.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::OnceLock;

/// Why the process is about to end, as far as it can be told without memory or locks.
#[derive(Clone, Copy, Debug)]
pub struct Crash<'a> {
    /// The signal: `SIGSEGV`.
    pub signal: &'static str,
    /// The address that could not be accessed; 0 where there is none.
    pub address: u64,
    /// The kernel that this thread of the host runs.
    pub kernel: Option<&'a str>,
    /// The block of it.
    pub block: [u32; 3],
    /// What [`during`] says of this thread.
    pub task: Option<&'a str>,
    /// Address of the instruction, and of the top of the stack; 0 where they are not known.
    machine: [u64; 2],
}

impl Crash<'_> {
    /// Prints where the instruction is, and what on the stack looks like an address to return to, as far as the thread said what it does: for
    /// reports. To be called last: it asks the loader, which may wait for another thread.
    pub fn print_trace(&self) {
        let [instruction, stack] = self.machine;
        if instruction == 0 {
            return;
        }
        print_place(instruction);
        // A stack that is full ends with a page that cannot be read.
        let full = self.address.abs_diff(stack) < 1 << 16;
        let from = if full { stack.max(self.address | 4095) + 1 } else { stack };
        let words = (from.next_multiple_of(8)..BOTTOM.get()).step_by(8).take(4096);
        // SAFETY: aligned words between the top of this thread's stack and a frame on it that has not returned.
        let held = words.map(|at| unsafe { (at as *const u64).read_volatile() });
        held.filter(|&word| word > 0xffff && print_place(word)).take(24).count();
    }
}

/// Prints the library and the function of an address in code, or says that there is none.
fn print_place(address: u64) -> bool {
    // SAFETY: all zero is a valid `Dl_info`, which lives for the call; its texts are those of loaded libraries.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const libc::c_void, &mut info) == 0 || info.dli_fname.is_null() {
            return false;
        }
        let text = |s: *const libc::c_char| match s.is_null() {
            true => "?",
            false => std::ffi::CStr::from_ptr(s).to_str().unwrap_or("?"),
        };
        let offset = address - info.dli_fbase as u64;
        let (file, name) = (text(info.dli_fname), text(info.dli_sname));
        let _ = writeln!(Stderr, "   at {address:#x}: {file}+{offset:#x} {name}");
        true
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn machine(context: *const libc::c_void) -> [u64; 2] {
    // SAFETY: with SA_SIGINFO the third argument of a handler is a `ucontext_t`.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    [registers[libc::REG_RIP as usize] as u64, registers[libc::REG_RSP as usize] as u64]
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn machine(_: *const libc::c_void) -> [u64; 2] {
    [0; 2]
}

/// What becomes of the process once a crash has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It exits with that status.
    Exit(i32),
    /// It ends as it would have without [`watch`].
    Signal,
}

#[derive(Clone, Copy)]
struct Text(*const u8, usize);

impl Text {
    fn of(s: &str) -> Text {
        Text(s.as_ptr(), s.len())
    }

    /// # Safety
    /// The text is alive: whoever sets it in a cell resets that before the text goes.
    unsafe fn get<'a>(self) -> &'a str {
        // SAFETY: made from a `str`, alive by contract.
        unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(self.0, self.1)) }
    }
}

// Constant to begin with and nothing to drop: a handler of signals can read them.
thread_local! {
    static KERNEL: Cell<Option<Text>> = const { Cell::new(None) };
    static BLOCK: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
    static TASK: Cell<Option<Text>> = const { Cell::new(None) };
    /// An address on the stack, in the outermost frame that said something; 0 when there is none.
    static BOTTOM: Cell<u64> = const { Cell::new(0) };
}

/// Puts back what the cells held, also when the work panics.
struct Restore {
    cell: &'static std::thread::LocalKey<Cell<Option<Text>>>,
    text: Option<Text>,
    bottom: u64,
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.cell.set(self.text);
        BOTTOM.set(self.bottom);
    }
}

fn note<T>(
    cell: &'static std::thread::LocalKey<Cell<Option<Text>>>,
    what: &str,
    work: impl FnOnce() -> T,
) -> T {
    let restore = Restore { cell, text: cell.replace(Some(Text::of(what))), bottom: BOTTOM.get() };
    if restore.bottom == 0 {
        BOTTOM.set(std::ptr::from_ref(&restore) as u64);
    }
    work()
}

/// Does some work; if the process crashes in it on this thread, `what` is part of what is told.
pub fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
    note(&TASK, what, work)
}

/// The same for the blocks of a kernel.
pub(crate) fn in_kernel<T>(symbol: &str, work: impl FnOnce() -> T) -> T {
    note(&KERNEL, symbol, work)
}

/// This thread begins that block.
pub(crate) fn enter_block(block: [u32; 3]) {
    BLOCK.set(block);
}

/// Standard error, past all buffers: handlers of signals have little stack and no memory.
pub struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut rest = s.as_bytes();
        while !rest.is_empty() {
            // SAFETY: pointer and length are those of the slice.
            let n = unsafe { libc::write(2, rest.as_ptr().cast(), rest.len()) };
            let n = usize::try_from(n).ok().filter(|&n| n > 0).ok_or(fmt::Error)?;
            rest = &rest[n..];
        }
        Ok(())
    }
}

type Tell = fn(&Crash<'_>) -> End;

const SIGNALS: [(i32, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGABRT, "SIGABRT"),
];

struct Watch {
    tell: Tell,
    /// What each signal did before, in the order of [`SIGNALS`].
    before: Vec<libc::sigaction>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// From now on a crash of this process is told by `tell` before the process ends. Only the first call does something.
///
/// `tell` runs in a handler of signals: it must neither allocate nor lock; [`Stderr`] is there for it.
pub fn watch(tell: Tell) {
    WATCH.get_or_init(|| {
        let before = SIGNALS.map(|(signal, _)| {
            // SAFETY: all zero is a valid `sigaction`; both structures live for the call, and the handler has the signature that
            // SA_SIGINFO asks for. SA_ONSTACK: Rust's threads have a stack of their own for signals, so that an overflow is told too.
            unsafe {
                let (mut new, mut old): (libc::sigaction, libc::sigaction) =
                    (std::mem::zeroed(), std::mem::zeroed());
                libc::sigaction(signal, std::ptr::null(), &mut old);
                new.sa_sigaction = handler as *const () as usize;
                new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut new.sa_mask);
                libc::sigaction(signal, &new, std::ptr::null_mut());
                old
            }
        });
        Watch { tell, before: before.into() }
    });
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let at = SIGNALS.iter().position(|(s, _)| *s == signal);
    let (Some(watch), Some(at)) = (WATCH.get(), at) else { return };
    // SAFETY: the kernel of the operating system gives the information of this signal; whoever set the texts has not returned yet, since
    // the signal has stopped this thread in it.
    let (end, sent) = unsafe {
        let crash = Crash {
            signal: SIGNALS[at].1,
            address: if signal == libc::SIGABRT { 0 } else { (*info).si_addr() as u64 },
            kernel: KERNEL.get().map(|t| t.get()),
            block: BLOCK.get(),
            task: TASK.get().map(|t| t.get()),
            machine: machine(context),
        };
        ((watch.tell)(&crash), (*info).si_code <= 0)
    };
    match end {
        // SAFETY: ends the process without running anything else of it.
        End::Exit(status) => unsafe { libc::_exit(status) },
        // SAFETY: the action is the one that was there before. The instruction is tried again when this returns, and crashes again; a
        // signal that was sent is sent again.
        End::Signal => unsafe {
            libc::sigaction(signal, &watch.before[at], std::ptr::null_mut());
            if sent {
                libc::raise(signal);
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: a task that stays when its work is done or has panicked, so that later crashes are told of the wrong one.
    #[test]
    fn tasks_end() {
        // SAFETY: the texts below are static.
        let now = || TASK.get().map(|t| unsafe { t.get() });
        during("outer", || {
            during("inner", || assert_eq!(now(), Some("inner")));
            assert_eq!(now(), Some("outer"));
            let _ = std::panic::catch_unwind(|| during("falls", || panic!("on purpose")));
            assert_eq!(now(), Some("outer"));
        });
        assert_eq!(now(), None);
    }
}
