//! The CUDA and HIP devices against a driver without a GPU (`fake/driver.c`), which fails on request. What a driver can say, and how it
//! reaches the caller; what is freed; what is refused before anything is launched.

mod fake;
mod launches;
mod missing;
mod refused;

use gpu_runtime::Error;

/// Runs a test for both kinds.
fn both(test: impl Fn(&str)) {
    test("cuda");
    test("hip");
}

fn text(e: Error) -> String {
    e.to_string()
}
