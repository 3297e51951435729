import datetime as dt
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.anchors.standing import Standing, no_proof
from wrapper.anchors.bucket import LockedBucket
from wrapper.anchors.choosing import parse_anchor
from wrapper.audit.anchored import ForkedError, UnreachableError, check
from wrapper.audit.format import TamperedError
from wrapper.errors import AuditError


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A client of the storage; the test's own credentials, and nothing of the machine's."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    return boto3.client("s3", endpoint_url=endpoint)


@pytest.fixture
def anchor(storage: Any, endpoint: str, here: Standing) -> LockedBucket:
    bucket = f"audit-{uuid.uuid4()}"
    storage.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    found = parse_anchor(f"s3:{bucket}/laptop/7?endpoint={endpoint}&days=30", here.state)
    assert isinstance(found, LockedBucket)
    return found


def test_each_note_is_an_object_named_by_segment_and_size(here: Standing, anchor: LockedBucket, storage: Any) -> None:
    first = here.ledger.note()
    receipt = anchor.put(first, no_proof)
    second = here.grow().ledger.note()
    anchor.put(second, no_proof)
    assert anchor.get() == [first, second]
    assert check(here.view, anchor).size == 16
    name = here.view.origin.rpartition("/")[0].replace("/", "-")
    keys = [one["Key"] for one in storage.list_objects_v2(Bucket=anchor.place.bucket)["Contents"]]
    assert keys == [f"laptop/7/{name}/000001/{size:020d}.note" for size in (10, 16)]
    assert receipt.detail.startswith(f"object {keys[0]}, version ")


def test_nobody_deletes_it_before_its_day(here: Standing, anchor: LockedBucket, storage: Any) -> None:
    anchor.put(here.ledger.note(), no_proof)
    (version,) = storage.list_object_versions(Bucket=anchor.place.bucket)["Versions"]
    named = {"Bucket": anchor.place.bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
    head = storage.head_object(**named)
    days = (head["ObjectLockRetainUntilDate"] - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert 29.9 < days <= 30
    with pytest.raises(storage.exceptions.ClientError, match="AccessDenied"):
        storage.delete_object(**named)
    with pytest.raises(storage.exceptions.ClientError, match="AccessDenied"):
        storage.delete_object(**named, BypassGovernanceRetention=True)


def test_what_a_delete_marker_hides_and_what_was_put_on_top_both_count(
    here: Standing, anchor: LockedBucket, storage: Any
) -> None:
    note = here.ledger.note()
    anchor.put(note, no_proof)
    key = storage.list_objects_v2(Bucket=anchor.place.bucket)["Contents"][0]["Key"]
    storage.delete_object(Bucket=anchor.place.bucket, Key=key)  # without a version: hides it
    assert "Contents" not in storage.list_objects_v2(Bucket=anchor.place.bucket)
    assert anchor.get() == [note]
    forged = here.copied("forged").grow(1).ledger.note()
    storage.put_object(Bucket=anchor.place.bucket, Key=key, Body=forged.encode())
    assert sorted(anchor.get()) == sorted([note, forged])


def test_the_same_note_again_makes_no_second_object(here: Standing, anchor: LockedBucket, storage: Any) -> None:
    note = here.ledger.note()
    assert anchor.put(note, no_proof) == anchor.put(note, no_proof)
    assert len(storage.list_object_versions(Bucket=anchor.place.bucket)["Versions"]) == 1


def test_another_checkpoint_of_the_same_size_is_a_fork(here: Standing, anchor: LockedBucket) -> None:
    before = here.copied("before")
    anchor.put(here.grow().ledger.note(), no_proof)
    with pytest.raises(ForkedError, match="another checkpoint of 16 frames"):
        anchor.put(before.grow(3, "forged").ledger.note(), no_proof)


def test_an_object_of_somebody_else_is_named(here: Standing, anchor: LockedBucket, storage: Any) -> None:
    storage.put_object(Bucket=anchor.place.bucket, Key="laptop/7/x", Body=b"hello")
    with pytest.raises(TamperedError, match="the object `laptop/7/x` is no signed checkpoint"):
        check(here.view, anchor)


def test_what_lies_beside_the_prefix_is_not_ours(here: Standing, anchor: LockedBucket, storage: Any) -> None:
    storage.put_object(Bucket=anchor.place.bucket, Key="laptop/70", Body=b"hello")
    assert anchor.get() == []


def test_a_bucket_without_object_lock_is_refused(here: Standing, storage: Any, endpoint: str) -> None:
    storage.create_bucket(Bucket="plain")
    anchor = parse_anchor(f"s3:plain/x?endpoint={endpoint}", here.state)
    with pytest.raises(AuditError, match=r"(?i)lock"):
        anchor.put(here.ledger.note(), no_proof)


def test_a_bucket_that_is_not_there_is_unreachable_in_one_line(here: Standing, storage: Any, endpoint: str) -> None:
    del storage
    anchor = parse_anchor(f"s3:nowhere/x?endpoint={endpoint}", here.state)
    for use in (anchor.get, lambda: anchor.put(here.ledger.note(), no_proof)):
        with pytest.raises(UnreachableError, match="NoSuchBucket") as caught:
            use()
        assert "\n" not in caught.value.what


def test_more_checkpoints_than_come_at_once_are_all_read(
    here: Standing, anchor: LockedBucket, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wrapper.anchors.bucket._PAGE", 2)
    note = here.ledger.note()
    for number in range(5):
        storage.put_object(Bucket=anchor.place.bucket, Key=f"laptop/7/{number:06d}", Body=note.encode())
    assert anchor.get() == [note] * 5


def test_without_boto3_the_extra_is_named(
    here: Standing, anchor: LockedBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(AuditError, match="needs boto3") as caught:
        anchor.put(here.ledger.note(), no_proof)
    assert "extra `s3`" in caught.value.hint
