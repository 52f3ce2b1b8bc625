"""What a person reads of a sweep: text tables and plots of a :class:`~fastprune.SweepResult`."""
