package tests

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed53b03582/troupe/"

// TestDependenciesRunOneWay: examples → api → actors → conn → conn/http1, and what is not
// tests or examples knows nothing of them. The inner rooms of api know nothing of api, nor of
// each other, and actors/pool knows nobody.
func TestDependenciesRunOneWay(t *testing.T) {
	allowed := map[string][]string{
		"conn/http1":             {},
		"conn/memory":            {}, // of use to tests, and to nothing else yet
		"conn":                   {"conn/http1"},
		"actors/pool":            {},
		"actors":                 {"actors/pool", "conn", "conn/http1"},
		"api/internal/charset":   {},
		"api/internal/coding":    {"conn"},
		"api/internal/digest":    {"conn/http1"},
		"api/internal/multipart": {"conn", "conn/http1"},
		"api/internal/open":      {"actors"},
		"api/internal/uri":       {"conn"},
		"api":                    {"actors", "conn", "conn/http1", "api/internal/charset", "api/internal/coding", "api/internal/digest", "api/internal/multipart", "api/internal/open", "api/internal/uri"},
		"api/apitest":            {"api", "api/internal/open"},
		"examples":               {"api"},
		"tests":                  {},
	}
	seen := map[string]bool{}
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		names := strings.Fields(line)
		pkg := room(names[0])
		may, known := allowed[pkg]
		if !known {
			t.Errorf("package %s is in no known room: say here what it may import", names[0])
			continue
		}
		seen[pkg] = true
		for _, name := range names[1:] {
			to := room(name)
			if strings.HasPrefix(name, module) && to != pkg && !slices.Contains(may, to) {
				t.Errorf("%s imports %s", names[0], name)
			}
		}
	}
	for _, pkg := range []string{"conn/http1", "conn/memory", "conn", "actors/pool", "actors", "api/internal/charset", "api/internal/coding", "api/internal/digest", "api/internal/multipart", "api/internal/uri", "api", "tests"} {
		if !seen[pkg] {
			t.Errorf("room %s was not found", pkg)
		}
	}
}

// TestNobodyBelowKnowsWhoIsAbove: the same for everything that is linked in.
func TestNobodyBelowKnowsWhoIsAbove(t *testing.T) {
	for pkg, forbidden := range map[string][]string{
		"conn/http1":             {"conn", "actors", "api", "examples"},
		"conn/memory":            {"conn", "actors", "api", "examples"},
		"conn":                   {"actors", "api", "examples"},
		"actors":                 {"api", "examples"},
		"api/internal/charset":   {"conn", "actors", "api", "examples"},
		"api/internal/coding":    {"actors", "api", "examples"},
		"api/internal/digest":    {"conn", "actors", "api", "examples"},
		"api/internal/multipart": {"actors", "api", "examples"},
		"api/internal/uri":       {"actors", "api", "examples"},
		"api":                    {"examples"},
	} {
		for _, dep := range goList(t, "-deps", "./"+pkg) {
			if strings.HasPrefix(dep, module) && slices.Contains(forbidden, room(dep)) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

// TestTheCodecDoesNoIO: nothing that could do I/O, tell the time, log or start
// goroutines by a timer is linked into conn/http1.
func TestTheCodecDoesNoIO(t *testing.T) {
	forbidden := []string{"net", "os", "io", "time", "context", "log", "fmt", "syscall", "crypto", "bufio"}
	for _, dep := range goList(t, "-deps", "./conn/http1") {
		top, _, _ := strings.Cut(dep, "/")
		if slices.Contains(forbidden, top) && dep != "io" { // bytes and strings name io's interfaces
			t.Errorf("conn/http1 depends on %s", dep)
		}
		if strings.Contains(top, ".") && !strings.HasPrefix(dep, module+"conn/http1") {
			t.Errorf("conn/http1 depends on %s", dep)
		}
	}
}

// TestThePoolOnlyDecides: it can do no I/O, hold no lock and start nothing that waits.
// gobreaker, which has a clock of its own, is the one exception.
func TestThePoolOnlyDecides(t *testing.T) {
	may := []string{"cmp", "container/heap", "errors", "fmt", "math", "time", "github.com/sony/gobreaker/v2"}
	imports := strings.Fields(goList(t, "-f", `{{join .Imports " "}}`, "./actors/pool")[0])
	if len(imports) == 0 {
		t.Fatal("nothing was listed")
	}
	for _, name := range imports {
		if !slices.Contains(may, name) {
			t.Errorf("actors/pool imports %s", name)
		}
	}
}

// TestOnlyActorsKnowTheEngine: the actor engine and the breaker are details of one
// room; Config.System alone names one of its types in api.
func TestOnlyActorsKnowTheEngine(t *testing.T) {
	may := map[string][]string{
		"github.com/asynkron/protoactor-go": {"actors", "api", "examples"},
		"github.com/sony/gobreaker/v2":      {"actors", "actors/pool"},
	}
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		names := strings.Fields(line)
		for _, name := range names[1:] {
			for dep, rooms := range may {
				if strings.HasPrefix(name, dep) && !slices.Contains(rooms, room(names[0])) {
					t.Errorf("%s imports %s", names[0], name)
				}
			}
		}
	}
}

// room is the folder a package belongs to.
func room(pkg string) string {
	pkg = strings.TrimPrefix(pkg, module)
	if strings.HasPrefix(pkg, "conn/") || strings.HasPrefix(pkg, "actors/") || strings.HasPrefix(pkg, "api/") {
		return pkg
	}
	top, _, _ := strings.Cut(pkg, "/")
	return top
}

// goList runs go list in the module's root and gives its lines.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaints.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
