//! LLVM's C interface behind safe functions: the only module that names `llvm_sys`.
