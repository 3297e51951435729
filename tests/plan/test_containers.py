from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from wrapper.plan.containers import Container, Named, container, spellings

_ID = "0123456789abcdef" * 4


def _seen(files: Mapping[str, str], host: str = "box", **environ: str) -> Container | None:
    return container(lambda path: files[path].encode() if path in files else None, environ, host)


def _known(found: Container | None) -> set[tuple[str, str]]:
    assert found is not None
    return {(one.what, one.value) for one in found.known}


def test_no_container_is_none() -> None:
    assert _seen({"/proc/self/cgroup": "0::/user.slice/user-1000.slice\n", "/proc/self/mountinfo": ""}) is None
    assert _seen({"/proc/self/mountinfo": f"1 1 8:1 /objects/{_ID} / rw - ext4 /dev/sda1 rw"}) is None


def test_podman_tells_name_image_and_id() -> None:
    text = f'engine="podman-4.3.1"\nname="trainer-7"\nid="{_ID}"\nimage="registry.example.org/lab/eval-images:3"\nrootless=1\n'
    found = _seen({"/run/.containerenv": text})
    assert _known(found) == {("name", "trainer-7"), ("id", _ID), ("image", "registry.example.org/lab/eval-images:3")}
    assert found is not None
    assert found.can_be_named


def test_docker_tells_an_id_and_nothing_by_which_people_call_it() -> None:
    files = {
        "/.dockerenv": "",
        "/proc/self/cgroup": f"0::/system.slice/docker-{_ID}.scope\n",
        "/proc/self/mountinfo": f"9 8 8:1 /var/lib/docker/containers/{_ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n",
    }
    found = _seen(files, host=_ID[:12])
    assert _known(found) == {("id", _ID)}
    assert found is not None
    assert not found.can_be_named
    told = _seen(files, CONTAINER_NAME="trainer-7", CONTAINER_IMAGE="lab/eval:1")
    assert {("name", "trainer-7"), ("image", "lab/eval:1")} <= _known(told)
    assert _known(_seen({"/proc/self/cgroup": files["/proc/self/cgroup"]})) == {("id", _ID)}


def test_a_machine_that_runs_containers_is_none() -> None:
    place = f"/var/lib/docker/containers/{_ID}/mounts/shm"
    assert _seen({"/proc/self/mountinfo": f"36 22 0:33 / {place} rw shared:1 - tmpfs shm rw"}) is None
    assert _seen({"/proc/self/mountinfo": f"36 22 0:33 {place} /etc/hosts rw - tmpfs shm rw"}) is not None


def test_a_pod_is_named_by_its_host_and_by_what_it_asked_for() -> None:
    namespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    found = _seen(
        {namespace: "training\n", "/etc/podinfo/name": "trainer-0\n"},
        host="trainer-0",
        KUBERNETES_SERVICE_HOST="10.0.0.1",
    )
    assert _known(found) == {("name", "trainer-0"), ("namespace", "training")}


def test_a_runtime_that_tells_nothing_is_a_container_without_a_name() -> None:
    for files, environ in (
        ({"/.dockerenv": ""}, {}),
        ({}, {"container": "lxc"}),
        ({"/run/systemd/container": "lxc"}, {}),
    ):
        assert _seen(files, **environ) == Container(())


def test_an_image_is_also_known_without_its_registry_and_an_id_as_short_as_it_is_shown() -> None:
    image = Named("image", "registry.example.org/lab/eval:3", "x")
    assert {"registry.example.org/lab/eval:3", "lab/eval:3", "eval:3", "lab/eval", "eval"} <= set(spellings(image))
    assert "lab/eval" in spellings(Named("image", "host:5000/lab/eval@sha256:12", "x"))
    assert list(spellings(Named("name", "Trainer-7", "x"))) == ["Trainer-7", "trainer-7"]
    assert list(spellings(Named("id", _ID, "x"))) == [_ID, _ID[:12]]


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_the_files_hold_they_are_read(one: str, other: str) -> None:
    text = one.encode("utf-8", "replace")
    found = container(lambda path: text, {"container": other}, other)
    assert isinstance(found, Container)
