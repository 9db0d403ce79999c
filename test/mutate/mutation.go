package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hmaproxy/internal/printable"
)

// A mutation replaces one part of a file.
type mutation struct {
	file       string // below the module's root, with slashes
	function   string // "Handler.guard", "-" outside functions
	line       int
	start, end int    // byte offsets in the file
	text       string // text that replaces these bytes
	from, to   string // text of the line without and with the mutation, for display and for the method key
	nth        int    // number of this mutation among those with the same key in this function
}

// key identifies a mutation even if the lines around it move.
func (m mutation) key() string {
	key := m.file + " | " + m.function + " | " + m.from + " => " + m.to
	if m.nth > 1 {
		key += " #" + strconv.Itoa(m.nth)
	}
	return key
}

// rank returns the place of the mutation in a random order. It depends only on
// the seed and the mutation, so a seed selects the same mutations after a change
// of other code.
func (m mutation) rank(seed uint64) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, m.key()))
	return sum[:]
}

// mutationsOf returns every mutation of a file, in order.
func mutationsOf(root, path string) ([]mutation, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	w := &walker{file: filepath.ToSlash(relative), source: source, files: files, seen: make(map[string]int)}
	for _, decl := range tree.Decls {
		w.function = functionName(decl)
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		ast.Inspect(decl, w.visit)
	}
	return w.found, nil
}

func functionName(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return "-"
	}
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// A walker collects the mutations of a file.
type walker struct {
	file, function string
	source         []byte
	files          *token.FileSet
	seen           map[string]int
	found          []mutation
}

func (w *walker) offset(p token.Pos) int { return w.files.Position(p).Offset }

// replace adds a mutation that replaces the bytes from start to end by text.
func (w *walker) replace(start, end int, text string) {
	m := mutation{file: w.file, function: w.function, start: start, end: end, text: text}
	m.line = 1 + strings.Count(string(w.source[:start]), "\n")
	first := strings.LastIndexByte(string(w.source[:start]), '\n') + 1
	last := end + max(0, strings.IndexByte(string(w.source[end:]), '\n'))
	m.from = oneLine(string(w.source[first:last]))
	m.to = oneLine(string(w.source[first:start]) + text + string(w.source[end:last]))
	w.seen[m.key()]++
	m.nth = w.seen[m.key()]
	w.found = append(w.found, m)
}

// oneLine returns code without its comment, as one line of limited length.
func oneLine(s string) string {
	var parts []string
	for line := range strings.Lines(s) {
		if i := strings.Index(line, " // "); i >= 0 {
			line = line[:i]
		}
		parts = append(parts, strings.Fields(line)...)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return printable.Truncate(strings.Join(parts, " "), 200)
}

func (w *walker) node(n ast.Node, text string) { w.replace(w.offset(n.Pos()), w.offset(n.End()), text) }

func (w *walker) text(n ast.Node) string {
	return string(w.source[w.offset(n.Pos()):w.offset(n.End())])
}

// The map "swapped" has the replacement of each operator.
var swapped = map[token.Token]string{
	token.LAND: "||", token.LOR: "&&", token.EQL: "!=", token.NEQ: "==",
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.ADD: "-", token.SUB: "+", token.AND: "|", token.OR: "&", token.SHL: ">>", token.SHR: "<<",
}

func (w *walker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		text, ok := swapped[n.Op]
		if ok && !(n.Op == token.ADD && (isText(n.X) || isText(n.Y))) {
			at := w.offset(n.OpPos)
			w.replace(at, at+len(n.Op.String()), text)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			w.node(n, w.text(n.X))
		}
	case *ast.IfStmt:
		if !negatedElsewhere(n.Cond) {
			w.node(n.Cond, "!("+w.text(n.Cond)+")")
		}
	case *ast.BasicLit:
		w.literal(n)
	case *ast.Ident:
		switch n.Name {
		case "true":
			w.node(n, "false")
		case "false":
			w.node(n, "true")
		}
	case *ast.BlockStmt:
		w.statements(n.List)
	case *ast.CaseClause:
		if n.List != nil {
			w.node(n, "")
		}
		w.statements(n.Body)
	case *ast.CommClause:
		w.statements(n.Body)
	case *ast.Field:
		return n.Tag == nil
	case *ast.CallExpr:
		return !w.make(n)
	case *ast.ReturnStmt:
		return !w.failure(n)
	}
	return true
}

// failure visits the results of a return statement whose error is certainly not
// nil. It leaves out texts and truth values, because by convention a caller does
// not read them. It visits numbers, because a caller reads a count, such as that
// of io.Writer, together with the error. failure reports whether n is such a
// statement.
func (w *walker) failure(n *ast.ReturnStmt) bool {
	if len(n.Results) < 2 || !isError(n.Results[len(n.Results)-1]) {
		return false
	}
	for _, x := range n.Results {
		if !isText(x) && !isTruth(x) {
			ast.Inspect(x, w.visit)
		}
	}
	return true
}

// isError reports whether x is certainly an error that is not nil: a variable
// such as errBusy, or a call of a function that makes an error. In this module
// every function with the name violation makes an error.
func isError(x ast.Expr) bool {
	if name, ok := x.(*ast.Ident); ok {
		return len(name.Name) > 3 && name.Name[:3] == "err" && ast.IsExported(name.Name[3:])
	}
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "violation"
	case *ast.SelectorExpr:
		pkg, _ := f.X.(*ast.Ident)
		return f.Sel.Name == "violation" || pkg != nil && (pkg.Name+"."+f.Sel.Name == "errors.New" || pkg.Name+"."+f.Sel.Name == "fmt.Errorf")
	}
	return false
}

func isTruth(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && (name.Name == "true" || name.Name == "false")
}

// The method make visits the arguments of a call of the built-in function make,
// except the capacity, because a change of the capacity cannot be observed. It
// reports whether n is such a call.
func (w *walker) make(n *ast.CallExpr) bool {
	if name, ok := n.Fun.(*ast.Ident); !ok || name.Name != "make" || len(n.Args) < 2 {
		return false
	}
	if !isMap(n.Args[0]) {
		ast.Inspect(n.Args[1], w.visit)
	}
	return true
}

// isMap reports whether a type is a map. It knows only one named type,
// http.Header.
func isMap(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.MapType:
		return true
	case *ast.SelectorExpr:
		return t.Sel.Name == "Header"
	}
	return false
}

// negatedElsewhere reports whether the mutation of a condition's operator
// already negates the condition.
func negatedElsewhere(cond ast.Expr) bool {
	switch c := cond.(type) {
	case *ast.BinaryExpr:
		return c.Op == token.EQL || c.Op == token.NEQ
	case *ast.UnaryExpr:
		return c.Op == token.NOT
	}
	return false
}

func isText(x ast.Expr) bool {
	lit, ok := x.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// literal mutates a constant. A number becomes larger or smaller by one. A text
// gets an x at its end, unless it contains a blank, as messages do.
func (w *walker) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT, token.CHAR:
		w.node(n, "("+n.Value+"+1)")
		w.node(n, "("+n.Value+"-1)")
	case token.STRING:
		if !strings.ContainsAny(n.Value, " \n") || strings.TrimSpace(n.Value) != n.Value {
			w.node(n, "("+n.Value+`+"x")`)
		}
	}
}

// statements adds mutations that remove a statement. It leaves out definitions,
// without which the code would not compile.
func (w *walker) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.ReturnStmt, *ast.BranchStmt:
			w.node(s, "")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				w.node(s, "")
			}
		}
	}
}

// apply returns the file with the mutation.
func (m mutation) apply(root string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	return slices.Concat(source[:m.start], []byte(m.text), source[m.end:]), nil
}

// survivors holds the explanations of mutations that the tests do not notice,
// by key.
type survivors map[string]string

// readSurvivors reads lines "file | function | before => after | why". If the
// text of why begins with "equivalent:", the mutation does not change the
// behaviour and is not run. If it begins with "accepted:", the mutation is run and
// counts as a survivor.
func readSurvivors(file string) (survivors, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := make(survivors)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndex(line, " | ")
		if at < 0 || !(strings.HasPrefix(line[at+3:], "equivalent: ") || strings.HasPrefix(line[at+3:], "accepted: ")) {
			return nil, fmt.Errorf("%s:%d: want file | function | before => after | equivalent: why, or accepted: why", file, n)
		}
		key := strings.TrimSpace(line[:at])
		if _, twice := s[key]; twice {
			return nil, fmt.Errorf("%s:%d: the mutation is explained twice", file, n)
		}
		s[key] = line[at+3:]
	}
	return s, lines.Err()
}

func (s survivors) equivalent(m mutation) bool {
	return strings.HasPrefix(s[m.key()], "equivalent: ")
}

// stale reports explanations of mutations that no longer exist.
func (s survivors) stale(root string) error {
	left := make(map[string]bool)
	files := make(map[string]bool)
	for key := range s {
		left[key] = true
		file, _, _ := strings.Cut(key, " | ")
		files[file] = true
	}
	for file := range files {
		ms, err := mutationsOf(root, filepath.Join(root, file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, m := range ms {
			delete(left, m.key())
		}
	}
	var problems []error
	for key := range left {
		problems = append(problems, fmt.Errorf("survivors.txt explains a mutation that no longer exists: %s", key))
	}
	return errors.Join(problems...)
}
