"""Results as other programs take them: rows, JSON, the results directory, frames, trackers."""
