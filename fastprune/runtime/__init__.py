"""What computing takes, whatever is computed: backend, machine, threads, memory, compiled loops."""
