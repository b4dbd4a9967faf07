//! `printf` of kernels: the format is taken apart here, every conversion is the C library's.

use std::ffi::{c_char, c_int, c_void, CStr, CString};

extern "C" {
    fn snprintf(to: *mut c_char, size: usize, format: *const c_char, ...) -> c_int;
}

/// Reads an argument buffer: CUDA's, with every argument at its own alignment, or words of 8 bytes.
struct Args {
    buffer: *const u8,
    at: usize,
    words: bool,
}

/// What the calls that make up one `printf` of HIP have brought so far.
#[derive(Debug, Default)]
pub(super) struct Message {
    texts: Vec<CString>,
    words: Vec<u64>,
}

impl Message {
    /// A text; the first one is the format.
    pub fn text(&mut self, bytes: &[u8]) {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let text = CString::new(&bytes[..end]).unwrap_or_default();
        if !self.texts.is_empty() {
            self.words.push(text.as_ptr() as u64);
        }
        self.texts.push(text);
    }

    /// Arguments.
    pub fn numbers(&mut self, words: &[u64]) {
        self.words.extend(words);
    }

    /// Appends the whole to `out`.
    pub fn print(mut self, out: &mut Vec<u8>) {
        let Some(format) = self.texts.first() else { return };
        // A format that asks for more than was given gets zeros.
        self.words.resize(self.words.len() + 2 * format.as_bytes().len(), 0);
        let args = Args { buffer: self.words.as_ptr().cast(), at: 0, words: true };
        // SAFETY: there are more words than the format can have conversions; the texts live as long as this.
        unsafe { print_args(out, format, args) };
    }
}

impl Args {
    /// # Safety
    /// The buffer holds another argument of type `T`.
    unsafe fn next<T: Copy>(&mut self) -> T {
        let align = if self.words { 8 } else { align_of::<T>() };
        self.at = self.at.next_multiple_of(align);
        // SAFETY: as promised; the kernel's buffer need not be aligned as a whole.
        let x = unsafe { self.buffer.add(self.at).cast::<T>().read_unaligned() };
        self.at += size_of::<T>();
        x
    }
}

/// Appends the text to `out`; gives the number of arguments, or -1 for a malformed format, as CUDA does.
///
/// # Safety
/// `args` holds the arguments that the format speaks of.
pub(super) unsafe fn print(out: &mut Vec<u8>, format: &CStr, args: *const u8) -> i32 {
    // SAFETY: as promised.
    unsafe { print_args(out, format, Args { buffer: args, at: 0, words: false }) }
}

/// # Safety
/// As of `print`.
unsafe fn print_args(out: &mut Vec<u8>, format: &CStr, mut args: Args) -> i32 {
    let mut count = 0;
    let mut rest = format.to_bytes();
    while let Some(at) = rest.iter().position(|&c| c == b'%') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"%") {
            out.push(b'%');
            rest = after;
            continue;
        }
        let Some(end) = rest.iter().position(|c| b"diouxXcspfFeEgGaAn".contains(c)) else { return -1 };
        let (spec, conversion) = (&rest[..end], rest[end]);
        rest = &rest[end + 1..];
        let mut flags = vec![b'%'];
        let mut long = false;
        for &c in spec {
            match c {
                b'*' => {
                    count += 1;
                    // SAFETY: as promised, here and below.
                    flags.extend(unsafe { args.next::<i32>() }.to_string().bytes());
                }
                b'l' | b'j' | b'z' | b't' | b'q' => long = true,
                b'h' | b'L' => {}
                b'0'..=b'9' | b'-' | b'+' | b' ' | b'#' | b'.' => flags.push(c),
                _ => return -1,
            }
        }
        count += 1;
        // SAFETY: as promised.
        unsafe { convert(out, flags, conversion, long, &mut args) };
    }
    out.extend_from_slice(rest);
    count
}

/// # Safety
/// The buffer holds the argument of the conversion.
unsafe fn convert(out: &mut Vec<u8>, mut spec: Vec<u8>, conversion: u8, long: bool, args: &mut Args) {
    if b"diouxX".contains(&conversion) && long {
        spec.extend(b"ll");
    }
    spec.push(conversion);
    let spec = CString::new(spec).unwrap_or_default();
    let mut put = |write: &dyn Fn(*mut c_char, usize) -> c_int| {
        let needed = write(std::ptr::null_mut(), 0).max(0) as usize;
        let mut text = vec![0u8; needed + 1];
        write(text.as_mut_ptr().cast(), text.len());
        out.extend_from_slice(&text[..needed]);
    };
    let f = spec.as_ptr();
    // SAFETY: every argument is passed with the type that its conversion wants, as C promotes it.
    unsafe {
        match conversion {
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' if long => {
                let x = args.next::<i64>();
                put(&|to, n| snprintf(to, n, f, x));
            }
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' | b'c' => {
                let x = args.next::<i32>();
                put(&|to, n| snprintf(to, n, f, x));
            }
            b's' => {
                let x = args.next::<*const c_char>();
                let x = if x.is_null() { c"(null)".as_ptr() } else { x };
                put(&|to, n| snprintf(to, n, f, x));
            }
            b'p' => {
                let x = args.next::<*const c_void>();
                put(&|to, n| snprintf(to, n, f, x));
            }
            b'n' => {
                args.next::<*const c_void>();
            }
            _ => {
                let x = args.next::<f64>();
                put(&|to, n| snprintf(to, n, f, x));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches: arguments read at the wrong alignment, `*` and length modifiers, `%%`.
    #[test]
    fn formats_like_c() {
        let mut buffer = vec![0u8; 48];
        buffer[0..4].copy_from_slice(&7i32.to_le_bytes());
        buffer[8..16].copy_from_slice(&1.5f64.to_le_bytes());
        buffer[16..20].copy_from_slice(&6i32.to_le_bytes());
        buffer[20..24].copy_from_slice(&(-3i32).to_le_bytes());
        buffer[24..32].copy_from_slice(&(1i64 << 40).to_le_bytes());
        buffer[32..40].copy_from_slice(&(c"text".as_ptr() as u64).to_le_bytes());
        let mut out = Vec::new();
        // SAFETY: the buffer holds what the format names.
        let n = unsafe { print(&mut out, c"i=%d f=%.2f [%*d] %llx %s 100%%\n", buffer.as_ptr()) };
        assert_eq!(
            (String::from_utf8(out).unwrap().as_str(), n),
            ("i=7 f=1.50 [    -3] 10000000000 text 100%\n", 6)
        );
    }

    // Catches: words read as packed arguments, texts taken for addresses in the wrong place, a format that asks for too much.
    #[test]
    fn words_of_hip() {
        let mut m = Message::default();
        m.text(b"%d %s %.1f %c %d\n\0");
        m.numbers(&[u64::from(-3i32 as u32)]);
        m.text(b"text\0");
        m.numbers(&[2.5f64.to_bits(), u64::from(b'x')]);
        let mut out = Vec::new();
        m.print(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "-3 text 2.5 x 0\n");
    }
}
