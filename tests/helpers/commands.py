"""The commands of fastprune."""

COMMANDS = (
    "sweep", "demo", "report", "plot", "evaluate", "predict", "inspect", "make-set", "completion",
)  # fmt: skip
