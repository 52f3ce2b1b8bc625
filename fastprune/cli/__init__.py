"""The command line: thin shims over the public functions; nothing heavy is imported for --help."""
