"""In which container this process is, as far as that can be known from within; pure.

What runtimes tell, each its own: podman writes names into /run/.containerenv (containers.conf(5)); docker leaves an
empty /.dockerenv, and the id in /proc/self/mountinfo or /proc/self/cgroup; Kubernetes sets variables, names the pod by
the host's name, and shows what a pod asked for in files (its downward API); systemd's and lxc's say only what kind they
are (/run/systemd/container, the variable `container`: systemd.io/CONTAINER_INTERFACE).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from wrapper.plan.mounttable import read_table

Read = Callable[[str], bytes | None]
"""Gives a file's content, None where there is none; nothing of one that is there and cannot be read."""

_PODMANS: Final = "/run/.containerenv"
_MARKS: Final = (_PODMANS, "/.dockerenv", "/run/systemd/container", "/run/host/container-manager")
_SERVICE: Final = "KUBERNETES_SERVICE_HOST"
_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_DOWNWARD: Final = "/etc/podinfo/"
_VARIABLES: Final[Mapping[str, str]] = {
    "CONTAINER_NAME": "name",
    "CONTAINER_IMAGE": "image",
    "POD_NAME": "name",
    "MY_POD_NAME": "name",
    "POD_NAMESPACE": "namespace",
    "MY_POD_NAMESPACE": "namespace",
}
_SETTING: Final = re.compile(r'^(name|id|image|imageid)="?([^"\n]+)"?$', re.MULTILINE)
# `docker-<id>.scope`, `/docker/<id>`, `/kubepods/…/<id>`, `/containers/<id>/hostname`, `libpod-<id>`
_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_GROUPS: Final = "/proc/self/cgroup"
_MOUNTS: Final = "/proc/self/mountinfo"
_of_container: Final = re.compile(r"docker|libpod|kubepods|containerd|crio|/lxc")  # a control group of one
_given: Final = re.compile(r"/containers?/|overlay-containers|/sandboxes/")  # where what a runtime mounts comes from
_TAG: Final = re.compile(r"(?::[^/:@]*)?(?:@[^/]*)?\Z")  # and digest
_SHORT: Final = 12  # digits of an id, as `docker ps` shows it


class Named(NamedTuple):
    """One thing that is known of the container: `what` is `name`, `image`, `id` or `namespace`; `where` tells it."""

    what: str
    value: str
    where: str


class Container(NamedTuple):
    """The container around this process. Without a name or an image in `known` nobody can tell which one it is."""

    known: tuple[Named, ...]

    @property
    def can_be_named(self) -> bool:
        """Whether it is known by what people call it."""
        return any(one.what in ("name", "image") for one in self.known)


def container(read: Read, environ: Mapping[str, str], host: str) -> Container | None:
    """Say what is known of the container around us; None where nothing says that there is one."""
    known = list(dict.fromkeys(_known(read, environ, host)))
    marked = any(read(mark) is not None for mark in _MARKS) or _SERVICE in environ or bool(environ.get("container"))
    return Container(tuple(known)) if marked or any(one.what == "id" for one in known) else None


def _known(read: Read, environ: Mapping[str, str], host: str) -> Iterator[Named]:
    yield from _of_runtimes(read)
    for variable, what in _VARIABLES.items():
        if environ.get(variable):
            yield Named(what, environ[variable], f"the variable `{variable}`")
    if _SERVICE in environ or read(_NAMESPACE) is not None:
        yield Named("name", host, "the host's name, which is the pod's")
        files = {f"{_DOWNWARD}name": "name", f"{_DOWNWARD}namespace": "namespace", _NAMESPACE: "namespace"}
        told = {path: _text(read(path)).strip() for path in files}
        yield from (Named(what, told[path], path) for path, what in files.items() if told[path])


def _of_runtimes(read: Read) -> Iterator[Named]:
    for what, value in _SETTING.findall(_text(read(_PODMANS))):
        yield Named("image" if what == "image" else "id" if what.endswith("id") else "name", value, _PODMANS)
    groups = [line for line in _text(read(_GROUPS)).splitlines() if _of_container.search(line)]
    # not where it is mounted: a machine that runs containers has mounts for each of them
    roots = [one.root for one in read_table(read(_MOUNTS) or b"") if _given.search(one.root)]
    for path, told in ((_GROUPS, groups), (_MOUNTS, roots)):
        yield from (Named("id", found, path) for text in told for found in _ID.findall(text))


def spellings(one: Named) -> Iterator[str]:
    """Give the ways in which a policy may write it, in small letters, too.

    An image without its registry, and each so without its tag and digest; an id as short as it is shown.
    """
    written = [one.value]
    if one.what == "id":
        written.append(one.value[:_SHORT])
    if one.what == "image":
        parts = one.value.split("/")
        written += ["/".join(parts[at:]) for at in range(1, len(parts))]
        written += [_TAG.sub("", each) for each in written]
    yield from dict.fromkeys(spelt for each in written for spelt in (each, each.lower()))


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
