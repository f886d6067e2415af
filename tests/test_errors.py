"""What goes wrong outside the library is one sentence too: files, memory, and names with line ends."""

import errno

import pytest

from reverie.cli import command_line
from reverie.errors import UserError, of_machine


def test_a_user_error_is_one_line_whatever_was_typed():
    assert str(UserError("There is no `a\nb`: name\r\nanother.")) == "There is no `a b`: name another."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a"),
            "a file or folder for 'runs/a' (Permission denied)",
        ),
        (OSError("no reason"), "a file or folder (no reason)"),
        (MemoryError("Unable to allocate 9 GiB"), "too little memory (Unable to allocate 9 GiB)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "too little memory"),
        (RuntimeError("Storage size calculation overflowed with sizes=[9, 9]"), "too little memory"),
    ],
)
def test_errors_of_the_machine_are_one_sentence_at_the_terminal(error, words, monkeypatch, capsys):
    def fail(*_):
        raise error

    monkeypatch.setattr(command_line, "parse", fail)
    assert command_line.main(["recipes"]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert len(printed.splitlines()) == 1


def test_other_errors_keep_their_traceback(monkeypatch):
    assert of_machine(RuntimeError("shape mismatch")) is None
    monkeypatch.setattr(command_line, "parse", lambda *_: [][1])
    with pytest.raises(IndexError):
        command_line.main(["recipes"])
    monkeypatch.setattr(command_line, "parse", lambda *_: (_ for _ in ()).throw(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        command_line.main(["recipes"])
