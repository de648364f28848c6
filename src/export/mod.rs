//! Pictures, tables and files of a capture.
