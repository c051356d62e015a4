"""The process of the detector: reads texts, and writes what in them looks like a credential.

It runs apart from the service, since its library is native code that reads untrusted text: if that
crashes or takes too long, only this process ends. It imports nothing of gitpip.

Each message is its length in bytes, a line break, and that many bytes of JSON.
"""

import json
import resource
import signal
import sys


def main() -> None:
    """Answer one message after the other until the input ends."""
    library, patterns = sys.argv[1:3]
    # It ends with the service, not before: the message under way is still to be answered.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.path.append(library)
    from betterleaks import scan_string  # noqa: PLC0415

    scan_string("", patterns)  # reads and compiles the patterns
    _open_nothing_more()
    _write([])
    while size := sys.stdin.buffer.readline():
        texts = json.loads(sys.stdin.buffer.read(int(size)))
        _write(
            [
                [
                    {
                        "kind": found.rule_id,
                        "values": [
                            found.match.value,
                            *(
                                component["match"]["value"]
                                for together in found.component_sets
                                for component in together["components"]
                            ),
                        ],
                        "lines": [found.location.start_line, found.location.end_line],
                    }
                    for found in scan_string(text, patterns)
                ]
                for text in texts
            ]
        )


def _open_nothing_more() -> None:
    """Prevent this process from opening files and connections, so that it can ask no host."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _write(answer: object) -> None:
    data = json.dumps(answer).encode()
    sys.stdout.buffer.write(b"%d\n%s" % (len(data), data))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
