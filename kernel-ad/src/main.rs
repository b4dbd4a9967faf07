//! The command line tool; everything is in [`kernel_ad::cli`].

fn main() -> std::process::ExitCode {
    kernel_ad::cli::main()
}
