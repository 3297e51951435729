"""What can be wrong with an age file, told apart as the test vectors of C2SP do it; pure."""

from wrapper.errors import AuditError


class DamagedError(AuditError):
    """An age file that is not as it was written; `how` says what shows it, with the file as `it`."""

    def __init__(self, how: str) -> None:
        super().__init__(f"the key file is damaged: {how}")
        self.how = how


class HeaderError(DamagedError):
    """The header cannot be read, or a recipient in it is malformed."""


class MacError(DamagedError):
    """The header can be read and the file key is known, but it is not the header that was written."""


class PayloadError(DamagedError):
    """The content was changed or cut; what came before it was good."""


class ArmorError(DamagedError):
    """The text around the file (PEM) cannot be read."""
