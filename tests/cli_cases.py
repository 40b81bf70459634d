"""What tests of several commands share."""


def failure(result):
    """The one line a failed command says."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr
