package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`((?:Test|Example|Fuzz|Benchmark)\\w*)(…|/[^`]*)?`")
)

// Each test that a page names is there, so that what it says is held by something.
func TestPagesNameTestsThatExist(t *testing.T) {
	tests := testsOfTheModule(t)
	named := 0
	for _, page := range []string{"README.md", "../docs/semantics.md", "../docs/architecture.md", "../docs/guide.md", "../README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			named++
			if m[2] == "…" {
				if !hasPrefix(tests, m[1]) {
					t.Errorf("%s: no test begins with %s", page, m[1])
				}
			} else if !tests[m[1]] {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
	}
	if named < 300 {
		t.Errorf("%d names are all that was found", named)
	}
}

func hasPrefix(names map[string]bool, prefix string) bool {
	for name := range names {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// testsOfTheModule are the names of its tests, examples, fuzz targets and benchmarks.
func testsOfTheModule(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The files that decide who gets which connection take the time as a parameter, and
// start nothing. (gobreaker, which breaker.go asks, looks at the clock by itself.)
func TestThePoolTakesTheTimeAsAParameter(t *testing.T) {
	clock := map[string]bool{
		"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
		"NewTimer": true, "NewTicker": true, "Tick": true,
	}
	files, err := filepath.Glob("../actors/pool/*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && clock[n.Sel.Name] {
					t.Errorf("%v: time.%s", set.Position(n.Pos()), n.Sel.Name)
				}
			case *ast.GoStmt:
				t.Errorf("%v: starts a goroutine", set.Position(n.Pos()))
			}
			return true
		})
	}
}

// TestArchitectureNamesFunctionsThatExist: who follows a call by the names on the page finds
// each of them.
func TestArchitectureNamesFunctionsThatExist(t *testing.T) {
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Six calls to follow\n")
	section, _, _ = strings.Cut(section, "\n## ")
	named := regexp.MustCompile("`([A-Za-z.]+)`").FindAllStringSubmatch(section, -1)
	if len(named) < 40 {
		t.Fatalf("only %d functions are named", len(named))
	}
	var code strings.Builder
	for _, dir := range []string{"api", "actors", "actors/pool", "conn"} {
		files, err := filepath.Glob("../" + dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if text, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") {
				code.Write(text)
			}
		}
	}
	for _, m := range named {
		owner, name, method := strings.Cut(m[1], ".")
		declared := `(?m)^func (\(\w+ \*?\w+\) )?` + owner + `\(`
		if method {
			declared = `(?m)^func \(\w+ \*?` + owner + `\) ` + name + `\(`
		}
		if !regexp.MustCompile(declared).MatchString(code.String()) {
			t.Errorf("there is no %s", m[1])
		}
	}
}
