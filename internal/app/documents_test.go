package app

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hmaproxy/internal/metrics"
	"hmaproxy/internal/textcheck"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	operations = "../../docs/operations.md"
	rules      = "../../deploy/monitoring/hmaproxy.rules.yaml"
	dashboard  = "../../deploy/monitoring/grafana-dashboard.json"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	metricName = regexp.MustCompile(`\bhmaproxy_[a-z_]+`)
	described  = regexp.MustCompile(`fqName: "([^"]+)"`)
)

// metricNames lists all metrics of the product, including those without samples.
func metricNames(t *testing.T) []string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		newIdleApp(t).observer.metrics.Describe(descs)
		close(descs)
	}()
	var names []string
	for d := range descs {
		if m := described.FindStringSubmatch(d.String()); m != nil && strings.HasPrefix(m[1], "hmaproxy_") {
			names = append(names, m[1])
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d metrics: %q", len(names), names)
	}
	return names
}

// exists reports whether a name in a query is a metric or one of the three series
// of a histogram.
func exists(names []string, name string) bool {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") && slices.Contains(names, base) {
			return true
		}
	}
	return slices.Contains(names, name)
}

// TestRulesAndDashboardNameMetricsThatExist finds misspelt names of metrics in the
// alert rules and the dashboard. Prometheus reports no error for such a name, so an
// alert that uses it would never fire.
func TestRulesAndDashboardNameMetricsThatExist(t *testing.T) {
	names := metricNames(t)
	expressions := map[string][]string{rules: ruleExpressions(t), dashboard: dashboardExpressions(t)}
	for file, list := range expressions {
		if len(list) < 15 {
			t.Errorf("%s: only %d expressions found", file, len(list))
		}
		for _, e := range list {
			for _, name := range metricName.FindAllString(e, -1) {
				if !exists(names, name) {
					t.Errorf("%s asks for %s", file, name)
				}
			}
		}
	}
}

// ruleExpressions returns two texts for each rule: the expression, and the
// annotations, which name metrics too. The second text begins with
// "annotations:".
func ruleExpressions(t *testing.T) []string {
	var list []string
	for _, rule := range strings.Split(read(t, rules), "- alert: ")[1:] {
		_, expr, _ := strings.Cut(rule, "expr:")
		expr, _, _ = strings.Cut(expr, "labels:")
		list = append(list, expr)
		list = append(list, rule[strings.Index(rule, "annotations:"):])
	}
	return list
}

func dashboardExpressions(t *testing.T) []string {
	var d struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &d); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	return list
}

func TestOperationsExplainsEveryMetricAndAlert(t *testing.T) {
	text := read(t, operations)
	for _, name := range metricNames(t) {
		textcheck.Contains(t, text, "`"+name+"`")
	}
	for _, rule := range strings.Split(read(t, rules), "- alert: ")[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		anchor := strings.ToLower(name)
		textcheck.Contains(t, text, `| <a id="`+anchor+`"></a>`+"`"+name+"`")
		textcheck.Contains(t, rule, "/operations.md#"+anchor+`"`+"\n")
	}
	for _, reason := range metrics.Reasons() {
		textcheck.Contains(t, text, "`"+reason.String()+"`")
	}
	names := metricNames(t)
	for _, name := range metricName.FindAllString(text, -1) {
		if !exists(names, name) {
			t.Errorf("explains %s, which does not exist", name)
		}
	}
}

// TestOperationsExplainsEveryWarningAndError checks that docs/operations.md contains
// the messages of all warnings and errors in the source.
func TestOperationsExplainsEveryWarningAndError(t *testing.T) {
	text := read(t, operations)
	var messages []string
	for _, pattern := range []string{"../../token/*.go", "../../certsource/*.go", "../*/*.go", "../../cmd/hmaproxy/*.go"} {
		eachFile(t, pattern, func(f *ast.File) { messages = append(messages, warnings(f)...) })
	}
	if len(messages) < 15 {
		t.Fatalf("only %d messages found: %q", len(messages), messages)
	}
	for _, m := range messages {
		textcheck.Contains(t, text, "`"+m+"`")
	}
}

// TestMessagesAreConstants checks that the messages of log lines are constants, so that
// messages can be searched for. Data belongs in attributes.
func TestMessagesAreConstants(t *testing.T) {
	calls := 0
	for _, pattern := range []string{"../../token/*.go", "../../certsource/*.go", "../*/*.go", "../../proxy/*.go", "../../cmd/hmaproxy/run.go"} {
		eachFile(t, pattern, func(f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if at := anyMessageAt(call); at >= 0 {
					calls++
					if !constant(call.Args[at]) {
						t.Errorf("%s: the message of a log line is not a constant", f.Name.Name)
					}
				}
				return true
			})
		})
	}
	if calls < 25 {
		t.Errorf("only %d log lines found", calls)
	}
}

// TestOperationsExplainsEveryLogKey compares the keys of log attributes in the source
// with the table of log keys in docs/operations.md, in both directions.
func TestOperationsExplainsEveryLogKey(t *testing.T) {
	used := map[string]bool{"time": true, "level": true, "msg": true}
	for _, pattern := range []string{"../../token/*.go", "../../certsource/*.go", "../*/*.go", "../../cmd/hmaproxy/*.go"} {
		eachFile(t, pattern, func(f *ast.File) {
			for _, key := range logKeys(f) {
				used[key] = true
			}
		})
	}
	_, table, found := strings.Cut(read(t, operations), "\n## Log keys\n")
	if !found || len(used) < 40 {
		t.Fatalf("table found: %v; %d keys in the source", found, len(used))
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\|").FindAllStringSubmatch(table, -1) {
		explained[m[1]] = true
	}
	for key := range used {
		if !explained[key] && !explained["diagnosis."+key] {
			t.Errorf("the key %s is not explained", key)
		}
	}
	for key := range explained {
		if !used[strings.TrimPrefix(key, "diagnosis.")] {
			t.Errorf("the key %s is explained and not used", key)
		}
	}
}

// logKeys lists the keys of log attributes in a file. It finds them in the arguments
// of a logger's methods and of slog's constructors, in lists of type []any, and in the
// fields of package accesslog.
func logKeys(f *ast.File) []string {
	var keys []string
	every2nd := func(list []ast.Expr) {
		for i := 0; i < len(list); i += 2 {
			if key := literal(list[i]); key != "" {
				keys = append(keys, key)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			keys = append(keys, callKeys(n, every2nd)...)
		case *ast.CompositeLit:
			if array, ok := n.Type.(*ast.ArrayType); ok {
				if name, ok := array.Elt.(*ast.Ident); ok && name.Name == "any" {
					every2nd(n.Elts)
				}
			}
			if f.Name.Name == "accesslog" && n.Type == nil && len(n.Elts) == 2 {
				every2nd(n.Elts[:1])
			}
		}
		return true
	})
	return keys
}

func callKeys(call *ast.CallExpr, every2nd func([]ast.Expr)) []string {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "slog" && len(call.Args) > 1 {
		if key := literal(call.Args[0]); key != "" {
			if f.Sel.Name == "Group" {
				every2nd(call.Args[1:])
			}
			return []string{key}
		}
		return nil
	}
	if reportsVersion(call) {
		every2nd(call.Args[3:])
		return nil
	}
	if at := anyMessageAt(call); at >= 0 && at < len(call.Args) {
		every2nd(call.Args[at+1:])
		for _, arg := range call.Args[at+1:] {
			if appended, ok := arg.(*ast.CallExpr); ok && isAppend(appended) { // such as append(describe(c), "path", p)
				every2nd(appended.Args[1:])
			}
		}
	}
	return nil
}

func isAppend(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.Ident)
	return ok && f.Name == "append"
}

// literal returns the value of a string literal, "" for any other expression.
func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}

// anyMessageAt returns the index of the argument of call that is a log message of any
// level, -1 if call logs nothing.
func anyMessageAt(call *ast.CallExpr) int {
	if f, ok := call.Fun.(*ast.SelectorExpr); ok && isLogger(f.X) && (f.Sel.Name == "Info" || f.Sel.Name == "Debug") {
		return 0
	}
	if reportsVersion(call) {
		return 1
	}
	if at := messageAt(call); at < len(call.Args) {
		return at
	}
	return -1
}

// reportsVersion reports whether call is a call of the method version of package
// token's reporter. Its arguments are the level, the message, a version and
// attributes.
func reportsVersion(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && f.Sel.Name == "version" && len(call.Args) >= 3
}

// constant reports whether e is a literal, or one of the names message and
// RequestMessage, which stand only for literals.
func constant(e ast.Expr) bool {
	if name, ok := e.(*ast.Ident); ok {
		return name.Name == "message"
	}
	if name, ok := e.(*ast.SelectorExpr); ok {
		return name.Sel.Name == "RequestMessage"
	}
	_, ok := e.(*ast.BasicLit)
	return ok
}

// warnings lists the messages that a file may log as warning or error. It finds them
// in calls of Warn and Error, in calls of functions that have a level as an argument
// (Log, LogAttrs and version), and in strings assigned to a variable named message.
func warnings(f *ast.File) []string {
	var messages []string
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, _ := strconv.Unquote(lit.Value); !strings.Contains(s, "%") {
				messages = append(messages, s)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if name, ok := n.Lhs[0].(*ast.Ident); ok && name.Name == "message" && len(n.Rhs) == 1 {
				note(n.Rhs[0])
			}
		case *ast.CallExpr:
			if at := messageAt(n); at >= 0 && at < len(n.Args) {
				note(n.Args[at])
			}
		}
		return true
	})
	return messages
}

// messageAt returns the index of the argument of call that is the message of a
// warning or an error, -1 if call logs no warning and no error.
func messageAt(call *ast.CallExpr) int {
	if reportsVersion(call) {
		if level, ok := call.Args[0].(*ast.SelectorExpr); ok && level.Sel.Name == "LevelInfo" {
			return -1
		}
		return 1
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(f.X) {
		return -1
	}
	switch f.Sel.Name {
	case "Warn", "Error":
		return 0
	case "Log", "LogAttrs":
		return 2
	}
	return -1
}

func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "log"
	case *ast.SelectorExpr:
		return e.Sel.Name == "log" || e.Sel.Name == "Log"
	}
	return false
}

// eachFile parses every Go file that is not a test.
func eachFile(t *testing.T, pattern string, visit func(*ast.File)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		visit(f)
	}
}
