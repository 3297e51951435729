"""The secret detectors of OSV-SCALIBR (`veles`, Go, Apache-2.0): inputs of their tests, with what they find there.

The engine of a copy is patched to record each text that a test gives it, and its secrets; the tests then run. Three
kinds of texts without a finding are not negatives, and are left out: half of a pair whose other half is missing (the
secret stands there, only unproved), what the tests themselves call a miss, and what another of its detectors finds.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.origins.case import Case, negative, positive
from bench.origins.fetch import go, go_module

LICENCE = "Apache-2.0"
_MODULE = "github.com/google/osv-scalibr@v0.5.3"
_LISTED = "extractor/filesystem/list/list.go"

# Parts of a finding that name somebody or something, but open nothing.
_NAMES = {
    "AccessID", "ClientID", "Extra", "FineGrainedScope", "GroupIDs", "ID", "Metadata", "OrganizationID", "PrincipalID",
    "PrincipalType", "PrivateKeyID", "ProjectID", "ProjectRef", "PublicB64", "Role", "RoleID", "ServiceAccount",
    "ServiceName", "Signature", "URL", "UserEmail", "UserID", "Username",
}  # fmt: skip

# Tests (function or subtest) whose text holds a secret that the tested detector alone cannot prove or does not cover.
_UNJUDGED = re.compile(
    r"falseNegative|but_no_|without|only|far|context|wrong_host|not_git|bad_host|complex_|invalid_access_id|"
    r"client_secret_in|wrong_secret|legacy|curl_user|[bB]earer_|[bB]asic_in|_basic|synthetic|hidden_input|assignment|"
    r"key_value_pair|OAuth2_token|openai_key_format|another_key|correct_syntax|_jwt|_issuer|JWT_|partial_mistral|"
    r"open_collection|postman$|private_key",
)

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)

_RECORDER = """package veles

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type recorded struct {
	Type   string
	Fields any
}

var number int

// Record appends one text and its secrets to the file named by RECORD, and tells its number to `go test -json`, which
// knows the name of the running test but breaks long lines.
func Record(data []byte, found []Secret) {
	number++
	id := fmt.Sprintf("%d-%d", os.Getpid(), number)
	all := []recorded{}
	for _, secret := range found {
		all = append(all, recorded{fmt.Sprintf("%T", secret), secret})
	}
	line, err := json.Marshal(map[string]any{"id": id, "text": data, "found": all})
	if err != nil {
		panic(err)
	}
	file, err := os.OpenFile(os.Getenv("RECORD"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\\n')); err != nil {
		panic(err)
	}
	fmt.Printf("\\nRECORD %s\\n", id)
}

// Detect is the engine's own, recorded.
func (e *DetectionEngine) Detect(ctx context.Context, r io.Reader) ([]Secret, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	found, err := e.detect(ctx, bytes.NewReader(data))
	if err == nil {
		Record(data, found)
	}
	return found, err
}
"""

# What every detector says of the recorded texts: a line with a number for each line of the standard input.
_ALL = """package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/osv-scalibr/veles"
%(imports)s
)

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\\n')
		if err != nil {
			return
		}
		var one struct {
			ID   string
			Text []byte
		}
		if err := json.Unmarshal(line, &one); err != nil {
			panic(err)
		}
		count := 0
		for _, detector := range []veles.Detector{
%(detectors)s
		} {
			found, _ := detector.Detect(one.Text)
			count += len(found)
		}
		fmt.Println(one.ID, count)
	}
}
"""


def cases(folder: Path) -> Iterator[Case]:
    """Run the tests of a copy in `folder`, and give what they tried."""
    place = go_module(_MODULE, folder, ("veles", _LISTED))
    _patch(place)
    record = folder / "veles.jsonl"
    log = go(["test", "-json", "-count=1", "./veles/secrets/..."], place, RECORD=str(record))
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    tests, findings = _tests(log), _all_findings(place, record)
    for row in rows:
        yield from _labelled(row, tests[row["id"]], findings[row["id"]])


def _labelled(row: dict[str, Any], test: tuple[str, str], findings: int) -> Iterator[Case]:
    text = base64.b64decode(row["text"]).decode(errors="replace")
    if row["found"]:
        secrets = [secret for one in row["found"] for secret in _secrets(one, text)]
        if secrets:  # else only the names of a pair were found
            yield positive(text, secrets, "+".join(sorted({one["Type"] for one in row["found"]})))
    elif text.strip() and not findings and not _UNJUDGED.search(test[1]):
        yield negative(text, f"{test[0]}.{test[1].partition('/')[0]}")


def _secrets(one: dict[str, Any], text: str) -> list[str]:
    if one["Type"] == "gcpsak.GCPSAK":  # its finding has a signature made with the key, not the key
        return _PEM.findall(text) or [""]
    fields = one["Fields"]
    if "FullURL" in fields:
        return [urlsplit(fields["FullURL"]).password or ""]
    values: list[str] = []
    for name, value in fields.items():
        if name not in _NAMES and value:
            values += value.values() if isinstance(value, dict) else [value.lstrip("=")]  # Azure's has the sign
    return values


def _patch(place: Path) -> None:
    (place / "veles" / "record.go").write_text(_RECORDER)
    _replace(place / "veles" / "detect.go", "func (e *DetectionEngine) Detect(", "func (e *DetectionEngine) detect(")
    # The acceptance test pads its example in a dozen ways: one record of the example is enough.
    accept = "\tt.Helper()\n\tr := acceptDetectorRunner{"
    recorded = "\tt.Helper()\n\tfound, _ := d.Detect([]byte(example))\n\tveles.Record([]byte(example), found)\n"
    runs = '\tif t.Name() != "" {\n\t\treturn\n\t}\n\tr := acceptDetectorRunner{'
    _replace(place / "veles" / "velestest" / "accept.go", accept, recorded + runs)
    for validator in (place / "veles").rglob("*validat*_test.go"):  # they try services, not texts
        validator.unlink()


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        raise ValueError(f"`{path.name}` is not as expected: `{old}`")
    path.write_text(text.replace(old, new))


def _tests(log: str) -> dict[str, tuple[str, str]]:
    """Give package and test of each record."""
    found = {}
    for line in log.splitlines():
        event = json.loads(line)
        output = event.get("Output", "")
        if output.startswith("RECORD "):
            found[output.split()[1]] = (event["Package"].rpartition("/")[2], event["Test"])
    return found


def _all_findings(place: Path, record: Path) -> dict[str, int]:
    """Count for each record what all listed detectors find."""
    listed = re.findall(r"\{((\w+)\.New\w*Detector\(\)), \"secrets/", (place / _LISTED).read_text())
    packages = {package for _, package in listed if (place / "veles" / "secrets" / package).is_dir()}
    program = _ALL % {
        "imports": "\n".join(f'\t"github.com/google/osv-scalibr/veles/secrets/{name}"' for name in sorted(packages)),
        "detectors": "\n".join(f"\t\t\t{call}," for call, package in listed if package in packages),
    }
    (place / "veles" / "all").mkdir()
    (place / "veles" / "all" / "main.go").write_text(program)
    counts = go(["run", "./veles/all"], place, given=record.read_text())
    return {number: int(count) for number, count in map(str.split, counts.splitlines())}
