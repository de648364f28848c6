//! The MODEL argument to files: local folder, hub cache, download with progress.
