// Command typecheck checks the packages of this module and their tests for
// operating systems that they are not built on here: names, types, and what
// other packages have there. It reads the source of everything that is imported
// and compiles nothing, which takes seconds where a build takes minutes. It
// finds what a compiler would refuse, but for what only linking shows.
//
//	go run ./scripts/typecheck windows/amd64 freebsd/amd64
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	failed := false
	for _, system := range os.Args[1:] {
		n, err := check(".", system)
		if err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			continue
		}
		fmt.Printf("%s: %d packages and tests of this module\n", system, n)
	}
	if failed || len(os.Args) < 2 {
		os.Exit(1)
	}
}

// pkg is what the go command tells of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string // what an import means, where it means another package
	DepOnly    bool              // not of this module
	Module     *struct{ GoVersion string }
	Error      *struct{ Err string }
}

// check checks all packages below dir for a system such as "windows/amd64", and
// returns how many of them are this module's.
func check(dir, system string) (int, error) {
	goos, arch, _ := strings.Cut(system, "/")
	list := exec.Command("go", "list", "-e", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,DepOnly,Module,Error", "./...")
	list.Dir = dir
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return 0, fmt.Errorf("go list: %w", err)
	}
	c := checker{fset: token.NewFileSet(), sizes: types.SizesFor("gc", arch), done: map[string]*types.Package{"unsafe": types.Unsafe}}
	if c.sizes == nil {
		return 0, fmt.Errorf("no such architecture: %q", arch)
	}
	own := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return own, errors.Join(c.errs...)
		} else if err != nil {
			return own, fmt.Errorf("go list: %w", err)
		}
		if !p.DepOnly {
			own++
		}
		c.add(p)
	}
}

// checker checks packages after those that they import.
type checker struct {
	fset  *token.FileSet
	sizes types.Sizes
	done  map[string]*types.Package
	errs  []error
}

func (c *checker) add(p pkg) {
	if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") { // the latter is made by the go command
		return
	}
	if p.Error != nil {
		c.errs = append(c.errs, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err))
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			c.errs = append(c.errs, err)
			continue
		}
		files = append(files, f)
	}
	config := types.Config{Sizes: c.sizes, Importer: importer{c, p}, IgnoreFuncBodies: p.DepOnly, FakeImportC: true}
	config.Error = func(err error) {
		if !p.DepOnly { // others' packages are checked by others
			c.errs = append(c.errs, err)
		}
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	c.done[p.ImportPath], _ = config.Check(path, c.fset, files, nil) // config.Error has told
}

// importer finds what a package imports among those that were checked.
type importer struct {
	*checker
	pkg
}

// Import returns the package that an import path means in this one.
func (i importer) Import(path string) (*types.Package, error) {
	if mapped, ok := i.ImportMap[path]; ok {
		path = mapped
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not among what was listed", path)
}
