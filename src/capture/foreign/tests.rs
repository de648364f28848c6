//! Tests of forms that need no file.
