/* Only has to be there: the build script of hip-runtime-sys takes a folder with this file for an installation. */
