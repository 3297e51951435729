"""The ssh of the inside: asks the broker outside to do what git asks ssh for, and moves the bytes.

`stub` makes one file of this: it runs with any Python from 3.11 on, without site packages (`-I -S`), and imports
little, since git waits for it. It knows no key and decides nothing: whoever runs something else in its place reaches
the same broker, which checks.

What travels: frames of a kind (one byte), a length (four bytes, big-endian) and that many bytes. The stub begins with
HELLO (host, port, user, command, git's protocol, each ended by a NUL), then INPUT until INPUT_END. The broker answers
with OUTPUT and ERRORS, and ends with EXIT (one byte).
"""

import _thread
import os
import socket
import sys

PORT = 41199
HELLO, INPUT, INPUT_END, OUTPUT, ERRORS, EXIT = b"HIEORX"
MOST = 65536
"""Bytes in a frame."""

# ssh(1): options that are followed by a value, and those of them that change what is done.
_WITH_VALUE = "BbcDEeFIiJLlmOoPpQRSWw"
_ALONE = "46AaCfGgKkMNnqsTtVvXxYy"
_ELSEWHERE = "DfGLMNORSWw"  # forwarding, a master, no command
_FAILED = 255  # ssh(1): "exits with … 255 if an error occurred"
_INTERRUPTED = 130  # a shell's word for SIGINT


class UsageError(Exception):
    """Arguments of which the broker would not know what to do."""


def frame(kind: int, data: bytes = b"") -> bytes:
    """Write one frame."""
    return bytes([kind]) + len(data).to_bytes(4, "big") + data


def hello(arguments: list[str], protocol: str) -> bytes:
    """Read ssh's arguments and write what the broker is told. Raises UsageError."""
    said = {"p": "", "l": ""}
    words = list(arguments)
    place = ""
    while words and not (place and said.get("--")):
        word = words.pop(0)
        if word == "--":
            said["--"] = word
        elif word.startswith("-") and word != "-" and not said.get("--"):
            _options(word, words, said)
        elif place:
            words.insert(0, word)
            break
        else:
            place = word
    user, host, port = _place(place)
    fields = host, said["p"] or port, said["l"] or user, " ".join(words), protocol
    return frame(HELLO, b"".join(os.fsencode(one) + b"\0" for one in fields))


def _options(word: str, words: list[str], said: dict[str, str]) -> None:
    """Read the letters of one argument, as getopt(3) does."""
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _ELSEWHERE:
            raise UsageError(f"ssh -{letter} is not possible inside")
        if letter in _WITH_VALUE:
            value = letters or (words.pop(0) if words else "")
            letters = ""
            said[letter] = value
        elif letter not in _ALONE:
            raise UsageError(f"ssh has no option -{letter} inside")


def _place(text: str) -> tuple[str, str, str]:
    """Give user, host and port of `host`, `user@host` or `ssh://user@host:port`."""
    port = ""
    if text.startswith("ssh://"):
        text = text[len("ssh://") :].rstrip("/")
        before, colon, after = text.rpartition(":")
        if colon and after.isdigit():
            text, port = before, after
    user, _, host = text.rpartition("@")
    return user, host, port


def main(arguments: list[str], port: int = PORT) -> int:
    """Do what ssh would; returns its exit code."""
    if arguments[:1] == ["-V"]:
        return _say("ssh of safe-agent: git only, by `[[remotes]]` of the policy", 0)
    if arguments[:1] == ["-G"]:  # git asks so whether this takes OpenSSH's options
        return 0
    try:
        greeting = hello(arguments, os.environ.get("GIT_PROTOCOL", ""))
    except UsageError as error:
        return _say(f"{error}: it does git's fetch and push, as `[[remotes]]` of the policy allow", _FAILED)
    return _talk(greeting, port)


def _talk(greeting: bytes, port: int) -> int:
    if len(greeting) > MOST:
        return _say("the command is too long", _FAILED)
    try:
        connection = socket.create_connection(("127.0.0.1", port))
    except OSError:
        return _say("ssh is not possible inside: the policy has no `[[remotes]]` by ssh", _FAILED)
    try:
        connection.sendall(greeting)
        _thread.start_new_thread(_send, (connection,))
        return _received(connection)
    except OSError:
        return _say("the connection broke off", _FAILED)


def _say(text: str, code: int) -> int:
    os.write(2, f"safe-agent: {text}\n".encode("utf-8", "backslashreplace"))
    return code


def _received(connection: socket.socket) -> int:
    reader = connection.makefile("rb")
    while len(head := reader.read(5)) == 5:
        kind, data = head[0], reader.read(int.from_bytes(head[1:], "big"))
        if kind == EXIT:
            return data[0] if data else _FAILED
        try:
            _write(1 if kind == OUTPUT else 2, data)
        except OSError:  # git is gone
            return _FAILED
    return _say("the connection ended before its time", _FAILED)


def _send(connection: socket.socket) -> None:
    try:
        while data := os.read(0, MOST):
            connection.sendall(frame(INPUT, data))
        connection.sendall(frame(INPUT_END))
    except OSError:  # the broker has ended, or nobody writes: its last word is still to be read
        return


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:  # ssh ends without a word
        status = _INTERRUPTED
    os._exit(status)  # a thread may still wait for input that nobody writes
