"""The secret scanner of Trivy (Go, Apache-2.0): the files that its tests scan with its own rules, and what it finds.

Left out: a file in which it finds a publishable key, which its issuer calls public.
"""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.origins.case import Case, negative, positive
from bench.origins.fetch import go, go_module

LICENCE = "Apache-2.0"
_MODULE = "github.com/aquasecurity/trivy@v0.58.0"

# `skip-test.yaml` is the configuration without rules of its own; a test with it and an empty `want` is a negative.
_TEST = re.compile(r'"skip-test.yaml"\),\s+inputFilePath:\s+(?:filepath.Join\("testdata", "|"testdata/)([^"]+)"')

# A test of theirs, run in their package: the scanner's spans are private.
_HARNESS = """package secret

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	scanner := NewScanner(&Config{})
	for _, name := range strings.Split(os.Getenv("RECORD"), ",") {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		found := []string{}
		for _, rule := range scanner.Rules {
			if !rule.MatchKeywords(text) {
				continue
			}
			for _, at := range scanner.FindLocations(rule, text) {
				found = append(found, string(text[at.Start:at.End]))
			}
		}
		line, err := json.Marshal(map[string]any{"name": name, "text": text, "found": found})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", name+".record"), line, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("done")
}
"""


def cases(folder: Path) -> Iterator[Case]:
    """Scan the test files in a copy in `folder`."""
    place = go_module(_MODULE, folder, ("pkg",))
    package = place / "pkg" / "fanal" / "secret"
    names = sorted(set(_TEST.findall((package / "scanner_test.go").read_text())))
    (package / "record_test.go").write_text(_HARNESS)
    go(["test", "-count=1", "-run", "TestRecord", "./pkg/fanal/secret"], place, RECORD=",".join(names))
    for name in names:
        row = json.loads((package / "testdata" / f"{name}.record").read_text())
        text = base64.b64decode(row["text"]).decode()
        secrets = [_without_breaks(secret) for secret in row["found"]]
        if not any(secret.startswith("pk_live_") for secret in secrets):
            yield positive(text, secrets, name) if secrets else negative(text, name)


def _without_breaks(secret: str) -> str:
    """Cut the line breaks, also escaped ones, that the scanner takes for a part of a key's body."""
    return re.sub(r"^(?:\\n|\s)+|(?:\\n|\s)+$", "", secret)
