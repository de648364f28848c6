//! Settings: command line > environment > file > defaults.
