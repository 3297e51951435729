"""What a run found, as Croissant metadata (JSON-LD); pure.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with its vocabulary for responsible AI, RAI 1.0, and PROV-O for where
the data comes from, as the specification recommends ("Provenance Representation"). What is described are the verdicts:
the manifest, one record a document, and the Parquet files behind it. Neither vocabulary has a property for a share of
synthetic text. `rai:hasSyntheticData` is no part of RAI 1.0, but what conferences ask for; it is said where text of
agents was found, and never denied: that nothing was found is no proof that nothing is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from wrapper.corpus.manifest import JUDGED, MANIFEST, JudgedBy
from wrapper.corpus.policy import Decision
from wrapper.corpus.quarantine import FILE as QUARANTINE
from wrapper.version import VERSION

FILE: Final = "croissant.json"
CONFORMS_TO: Final = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
LIMITS: Final = (
    "Text of sessions that were not captured, or whose index is not in the one that was compared, is not found.",
    "Spans of under ten lines are found only in part; paraphrases and translations into other languages are not found.",
    "Of binary files whole contents are compared, and text that stands in them unpacked.",
)

# The context that the specification gives (appendix "JSON-LD context"), with RAI and PROV-O.
_CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_LINES: Final = "application/jsonlines"
_FIELDS: Final = (
    ("id", "sc:Text", "The document's own name, else where it stands."),
    ("source", "sc:Text", "The file, address or repository in which it stands."),
    ("row", "sc:Integer", "Its line (from 1), row of Parquet (from 0) or number in the repository; 0 for a file."),
    ("size", "sc:Integer", "Bytes of text."),
    ("sha256", "sc:Text", "SHA-256 of its text; empty where it could not be read."),
    ("normalised", "sc:Text", "SHA-256 of its text without blanks; empty where it was judged in parts."),
    ("stage", "sc:Text", "By what it was judged: blob, normalised, spans, clean, binary or unreadable."),
    ("coverage", "sc:Float", "Share of its tokens that stand in text of an agent's session."),
    ("decision", "sc:Text", "accept, quarantine or refuse."),
)


class Written(msgspec.Struct, frozen=True):
    """A file of the result: its size in bytes, and its SHA-256."""

    name: str
    size: int
    sha256: str


def metadata(
    judged: JudgedBy, decisions: Mapping[str, int], root: str, files: Sequence[Written], *, date: str
) -> dict[str, Any]:
    """Describe a result. `decisions`: documents by decision; `root` of the manifest; `date`: of the run, ISO 8601."""
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "name": "Verdicts of safe-agent on a corpus",
        "description": _description(judged, decisions, root),
        "conformsTo": list(CONFORMS_TO),
        "datePublished": date,
        "version": "1.0.0",
        "isLiveDataset": False,
        "distribution": [*(_file_object(file) for file in files), _parts()],
        "recordSet": [_record_set()],
        "rai:dataCollection": (
            "Each document of the sources was compared with the text that coding agents wrote in captured sessions."
        ),
        "rai:dataCollectionType": ["Document analysis"],
        "rai:dataPreprocessingProtocol": [
            f"Documents were accepted, quarantined or refused by the policy with SHA-256 {judged.policy_sha256}."
        ],
        "rai:machineAnnotationTools": [judged.tool],
        "rai:dataLimitations": [*LIMITS, *_lacks(judged)],
        **({"rai:hasSyntheticData": True} if decisions.get(Decision.REFUSE, 0) else {}),
        "prov:wasDerivedFrom": [{"@type": "prov:Entity", "prov:label": source} for source in judged.sources],
        "prov:wasGeneratedBy": _activity(judged, root, date),
    }


def _description(judged: JudgedBy, decisions: Mapping[str, int], root: str) -> str:
    counts = ", ".join(f"{decisions.get(one, 0)} {word}" for one, word in _WORDS)
    return f"{judged.documents} documents: {counts}. Root of the manifest (RFC 6962, SHA-256): {root}."


_WORDS: Final = (
    (Decision.ACCEPT, "accepted"), (Decision.QUARANTINE, "quarantined"), (Decision.REFUSE, "refused"),
)  # fmt: skip


def _file_object(file: Written) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": _LINES if file.name.endswith(".jsonl") else "application/json",
        "sha256": file.sha256,
    }


def _parts() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "parts",
        "name": "parts",
        "description": "Verdicts with the spans that were found.",
        "encodingFormat": "application/vnd.apache.parquet",
        "includes": "parts/*.parquet",
    }


def _record_set() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "verdicts",
        "name": "verdicts",
        "description": "One record for each document, in the order in which the sources were read.",
        "field": [_field(*field) for field in _FIELDS],
    }


def _field(name: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"verdicts/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}},
    }


def _lacks(judged: JudgedBy) -> list[str]:
    if judged.index.complete:
        return []
    first = judged.index.faults[0][1] if judged.index.faults else "it has faults"
    return [f"The index was not complete ({len(judged.index.faults)} faults; the first: {first})."]


def _activity(judged: JudgedBy, root: str, date: str) -> dict[str, Any]:
    used = [("index", judged.index.sha256), ("policy", judged.policy_sha256), ("baseline", judged.baseline_sha256)]
    return {
        "@type": "prov:Activity",
        "prov:label": "safe-agent corpus check",
        "prov:endedAtTime": date,
        "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"safe-agent {VERSION}"},
        "prov:used": [
            {"@type": "prov:Entity", "prov:label": f"{what}, SHA-256 {digest}"} for what, digest in used if digest
        ],
        "prov:generated": {"@type": "prov:Entity", "prov:label": f"{JUDGED}, {MANIFEST}, {QUARANTINE}: root {root}"},
    }
