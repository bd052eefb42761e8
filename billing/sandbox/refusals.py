class Refusal(Exception):
    """A request that is not carried out: an HTTP status, a stable code, and a sentence.

    ``field`` names the part of the request at fault, where there is one.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
