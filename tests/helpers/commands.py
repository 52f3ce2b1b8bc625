"""The commands of fastprune."""

COMMANDS = (
    "sweep", "demo", "report", "compare", "plot", "evaluate", "predict", "inspect",
    "make-set", "completion",
)  # fmt: skip


def sweep_of(files, *more):
    """Return the arguments that sweep a network and its sets, without plots or progress."""
    named = {"--model": files["model"], "--valid": files["valid"]}
    arguments = [word for pair in named.items() for word in pair]
    sets = ["--clean", f"test={files['test']}", "--backdoored", f"bd={files['bd']}"]
    return ["sweep", *arguments, *sets, "--no-plots", "--quiet", *more]
