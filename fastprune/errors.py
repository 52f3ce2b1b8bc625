"""What fastprune raises when its input cannot be used: one clear line each."""


class FastpruneError(Exception):
    """Base of every error that a user can mend.

    The message is one line: expected what; got what (file:dataset or layer); what to do next.
    `exit_status` is what the command line ends with.
    """

    exit_status = 2


class DataError(FastpruneError, ValueError):
    """An image set cannot be used: its file, datasets, shapes, labels or pixels."""


class NetworkError(FastpruneError, ValueError):
    """A network cannot be used: its file, its layers, or it has no usable cut."""


class OptionError(FastpruneError, ValueError):
    """An option or argument is out of its range or does not fit the network or the sets."""


class OutputError(FastpruneError, OSError):
    """Results cannot be written or read back."""


class FormatError(OutputError):
    """A file format cannot hold a network."""


class VerificationError(FastpruneError):
    """A check of the finished figures failed: plain Keras gives another class."""

    exit_status = 1


class FaultError(FastpruneError):
    """fastprune contradicts plain Keras or itself: its own fault, whatever the input is."""

    exit_status = 70
