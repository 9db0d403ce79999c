package exchange

import (
	"slices"
	"strconv"
	"strings"
)

// search returns the items that FindItem requests, in the requested order, or an
// error.
func search(c *call, f *folder) ([]*item, *result) {
	var list []*item
	if c.op.attribute("", "Traversal") == "Associated" {
		return nil, nil
	}
	for _, i := range f.owner.itemsOf(f) {
		ok, bad := meets(c.op.children("Restriction"), i.valueOf)
		if bad != nil {
			return nil, bad
		}
		if ok && within(i, c.op.find("CalendarView")) {
			list = append(list, i)
		}
	}
	orders := slices.Clone(c.op.children("SortOrder"))
	slices.Reverse(orders)
	for _, o := range orders {
		slices.SortStableFunc(list, func(a, b *item) int {
			n := compare(a.valueOf(o.kids), b.valueOf(o.kids))
			if o.attribute("", "Order") == "Descending" {
				return -n
			}
			return n
		})
	}
	return list, nil
}

// within reports whether an item overlaps a CalendarView: it begins before the end
// of the view and ends after its start. Without a view, within returns true.
func within(i *item, view *node) bool {
	if view == nil {
		return true
	}
	return i.text("Start") < inUTC(view.attribute("", "EndDate")) && i.text("End") > inUTC(view.attribute("", "StartDate"))
}

// compare compares numbers by value, and everything else as text without regard to
// letter case.
func compare(a, b string) int {
	x, xerr := strconv.Atoi(a)
	y, yerr := strconv.Atoi(b)
	if xerr == nil && yerr == nil {
		return x - y
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// meets reports whether an object meets all restrictions. value returns the
// value of a field of the object. The second result is the error for a
// restriction that is not supported, or nil.
func meets(list []*node, value func([]*node) string) (bool, *result) {
	for _, n := range list {
		if ok, bad := meetsOne(n, value); !ok || bad != nil {
			return false, bad
		}
	}
	return true, nil
}

func meetsOne(n *node, value func([]*node) string) (bool, *result) {
	switch n.name.Local {
	case "And":
		return meets(n.kids, value)
	case "Not":
		ok, bad := meets(n.kids, value)
		return !ok, bad
	case "Or":
		for _, kid := range n.kids {
			if ok, bad := meetsOne(kid, value); ok || bad != nil {
				return ok, bad
			}
		}
		return false, nil
	case "Exists":
		return value(n.kids) != "", nil
	case "Contains":
		return contains(n, value(n.kids)), nil
	}
	want := n.find("FieldURIOrConstant", "Constant").attribute("", "Value")
	if strings.Contains(want, "T") {
		want = inUTC(want)
	}
	order := compare(value(n.kids), want)
	ok, known := map[string]bool{
		"IsEqualTo": order == 0, "IsNotEqualTo": order != 0, "IsGreaterThan": order > 0, "IsLessThan": order < 0,
		"IsGreaterThanOrEqualTo": order >= 0, "IsLessThanOrEqualTo": order <= 0,
	}[n.name.Local]
	if !known {
		bad := failed("ErrorUnsupportedPathForQuery", "The property can not be used with this type of restriction.")
		return false, &bad
	}
	return ok, nil
}

func contains(n *node, value string) bool {
	want := n.find("Constant").attribute("", "Value")
	if n.attribute("", "ContainmentComparison") != "Exact" {
		value, want = strings.ToLower(value), strings.ToLower(want)
	}
	switch n.attribute("", "ContainmentMode") {
	case "FullString":
		return value == want
	case "Prefixed", "PrefixOnWords":
		return strings.HasPrefix(value, want)
	}
	return strings.Contains(value, want)
}
