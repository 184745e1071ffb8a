package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaDir holds a JSON Schema for each form of envelope, docs/schema/NAME-N.json
// for touchstone/NAME/N.
const schemaDir = "../../../docs/schema"

// schemaBase is where the schemas would be; nothing is fetched.
const schemaBase = "https://touchstone.invalid/schema/"

// strictly reads a schema in which no member is allowed that has no description
// there. For others a schema allows more, since members are only ever added.
func strictly(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	close := func(object map[string]any) {
		_, members := object["properties"]
		_, open := object["additionalProperties"]
		if members && !open {
			object["additionalProperties"] = false
		}
	}
	walk(schema, close)
	return schema
}

// walk calls visit for every object in a JSON value.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, member := range v {
			walk(member, visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}

// schemas compiles all of them, by the name of the form.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d schemas, %v", len(files), err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range files {
		if err := c.AddResource(schemaBase+filepath.Base(file), strictly(t, file)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	all := map[string]*jsonschema.Schema{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		compiled, err := c.Compile(schemaBase + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		all[name] = compiled
	}
	delete(all, "common")
	return all
}

// goldenEnvelopes are all envelopes in the golden files, with their file. Of
// JSON Lines, lines that name no schema belong to the one before.
func goldenEnvelopes(t *testing.T) map[string][]map[string]any {
	t.Helper()
	found := map[string][]map[string]any{}
	files, err := filepath.Glob("testdata/*.json*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
			var e map[string]any
			if err := d.Decode(&e); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if _, ok := e["schema"]; ok {
				found[file] = append(found[file], e)
			}
		}
		if len(found[file]) == 0 {
			t.Errorf("%s: no envelope", file)
		}
	}
	return found
}

// TestGoldenFilesFollowTheirSchemas holds every golden envelope to its schema,
// which has to know all members, and wants a golden file for every schema.
func TestGoldenFilesFollowTheirSchemas(t *testing.T) {
	all := schemas(t)
	unused := map[string]bool{}
	for name := range all {
		unused[name] = true
	}
	for file, envelopes := range goldenEnvelopes(t) {
		for _, e := range envelopes {
			name, ok := schemaName(e["schema"])
			schema := all[name]
			if !ok || schema == nil {
				t.Errorf("%s: no schema for %v", file, e["schema"])
				continue
			}
			if err := schema.Validate(e); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			delete(unused, name)
		}
	}
	for name := range unused {
		t.Errorf("%s.json: no golden file", name)
	}
}

// schemaName is NAME-N for touchstone/NAME/N.
func schemaName(schema any) (string, bool) {
	name, ok := strings.CutPrefix(fmt.Sprint(schema), "touchstone/")
	return strings.Replace(name, "/", "-", 1), ok
}

// TestSchemasDescribeTheirMembers wants a description for each member of each
// envelope, and the page for programs to name each form.
func TestSchemasDescribeTheirMembers(t *testing.T) {
	page, err := os.ReadFile("../../../docs/interface.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range schemas(t) {
		schema := strictly(t, filepath.Join(schemaDir, name+".json")).(map[string]any)
		for member, v := range schema["properties"].(map[string]any) {
			p := v.(map[string]any)
			if p["description"] == nil && p["$ref"] == nil {
				t.Errorf("%s.json: %s has no description", name, member)
			}
		}
		i := strings.LastIndex(name, "-")
		if form := "touchstone/" + name[:i] + "/" + name[i+1:]; !bytes.Contains(page, []byte("`"+form+"`")) {
			t.Errorf("docs/interface.md does not have %s", form)
		}
	}
}
