"""The pattern tests of TruffleHog's detectors (Go, AGPL-3.0): texts, and what the detector of one issuer finds there.

Read, not run: they need the drivers of every service. A Go program of the standard library evaluates the tables. What a
test writes in parts (an id and its secret in one) does not stand in the text: something must be found. Left out: texts
without a finding, which are the same with a character changed, and still what another issuer may have made; and the
second half of `token = 'x' | 'x'`, which tries whether a finding is told twice.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.origins.case import Case, positive
from bench.origins.fetch import go, go_module

LICENCE = "AGPL-3.0"
_MODULE = "github.com/trufflesecurity/trufflehog/v3@v3.90.0"
_TWICE = re.compile(r"(.*?('[^']+')) \| \2\s*", re.DOTALL)

# Prints a line of JSON for each row of a table that has an `input` and a `want`, if both can be evaluated.
_READER = r"""package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type row struct {
	Package string   `json:"package"`
	Input   string   `json:"input"`
	Want    []string `json:"want"`
}

type scope map[string]ast.Expr

func (names scope) text(expr ast.Expr, depth int) (string, bool) {
	if depth > 8 {
		return "", false
	}
	switch one := expr.(type) {
	case *ast.BasicLit:
		if one.Kind == token.STRING {
			text, err := strconv.Unquote(one.Value)
			return text, err == nil
		}
		return one.Value, one.Kind == token.INT
	case *ast.ParenExpr:
		return names.text(one.X, depth+1)
	case *ast.Ident:
		value, known := names[one.Name]
		if !known {
			return "", false
		}
		return names.text(value, depth+1)
	case *ast.BinaryExpr:
		left, good := names.text(one.X, depth+1)
		right, well := names.text(one.Y, depth+1)
		return left + right, good && well && one.Op == token.ADD
	case *ast.CallExpr:
		called, isSelector := one.Fun.(*ast.SelectorExpr)
		if !isSelector || called.Sel.Name != "Sprintf" {
			return "", false
		}
		values := []any{}
		for _, argument := range one.Args {
			value, good := names.text(argument, depth+1)
			if !good {
				return "", false
			}
			values = append(values, value)
		}
		text := fmt.Sprintf(values[0].(string), values[1:]...)
		return text, !strings.Contains(text, "%!")
	}
	return "", false
}

func (names scope) list(expr ast.Expr) ([]string, bool) {
	if name, isName := expr.(*ast.Ident); isName && name.Name == "nil" {
		return []string{}, true
	}
	list, isList := expr.(*ast.CompositeLit)
	if !isList {
		return nil, false
	}
	texts := []string{}
	for _, element := range list.Elts {
		text, good := names.text(element, 0)
		if !good {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

func (names scope) learn(node ast.Node) bool {
	switch one := node.(type) {
	case *ast.ValueSpec:
		for at, name := range one.Names {
			if at < len(one.Values) {
				names[name.Name] = one.Values[at]
			}
		}
	case *ast.AssignStmt:
		for at, left := range one.Lhs {
			if name, isName := left.(*ast.Ident); isName && at < len(one.Rhs) && one.Tok == token.DEFINE {
				names[name.Name] = one.Rhs[at]
			}
		}
	}
	return true
}

func (names scope) rows(file *ast.File, pack string, write func(row)) {
	ast.Inspect(file, func(node ast.Node) bool {
		literal, isLiteral := node.(*ast.CompositeLit)
		if !isLiteral {
			return true
		}
		fields := scope{}
		for _, element := range literal.Elts {
			if pair, isPair := element.(*ast.KeyValueExpr); isPair {
				if name, isName := pair.Key.(*ast.Ident); isName {
					fields[name.Name] = pair.Value
				}
			}
		}
		input, want := fields["input"], fields["want"]
		if input == nil || fields["name"] == nil {
			return true
		}
		text, good := names.text(input, 0)
		found, well := []string{}, true
		if want != nil {
			found, well = names.list(want)
		}
		if good && well {
			write(row{pack, text, found})
		}
		return true
	})
}

func main() {
	out := json.NewEncoder(os.Stdout)
	paths := []string{}
	filepath.WalkDir("pkg/detectors", func(path string, _ os.DirEntry, _ error) error {
		if strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "_inte") {
			paths = append(paths, path)
		}
		return nil
	})
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			panic(err)
		}
		names := scope{}
		ast.Inspect(file, names.learn)
		names.rows(file, filepath.ToSlash(filepath.Dir(path)), func(one row) {
			if err := out.Encode(one); err != nil {
				panic(err)
			}
		})
	}
}
"""


def cases(folder: Path) -> Iterator[Case]:
    """Read the tests of a copy in `folder`."""
    place = go_module(_MODULE, folder, ("pkg/detectors",))
    (place / "reader").mkdir()
    (place / "reader" / "main.go").write_text(_READER)
    for row in map(json.loads, go(["run", "./reader/main.go"], place, GOFLAGS="-mod=mod").splitlines()):
        secrets = [secret for secret in row["want"] if secret]
        twice = _TWICE.fullmatch(row["input"])
        if secrets:
            yield positive(twice[1] if twice else row["input"], secrets, row["package"].removeprefix("pkg/detectors/"))
