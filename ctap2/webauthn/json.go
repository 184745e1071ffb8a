package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// object is a JSON object that is being read. Member names count letter for
// letter, which encoding/json does not hold to; null is an absent member. The
// first error of a member sticks, and everything read after it is zero.
type object struct {
	path    string // for errors
	members map[string]json.RawMessage
	err     *error // shared with the objects inside
}

// parseObject begins to read text, an object and nothing else.
func parseObject(name string, text []byte) *object {
	o := &object{path: name, err: new(error)}
	if err := json.Unmarshal(text, &o.members); err != nil || o.members == nil {
		o.fail(TypeError, "no JSON object")
	}
	return o
}

// fail keeps the first error.
func (o *object) fail(e Exception, format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s: %w: %s", o.path, e, fmt.Sprintf(format, args...))
	}
}

// raw is a member's text, or false when it is absent or an error has happened.
func (o *object) raw(name string) (json.RawMessage, bool) {
	raw, ok := o.members[name]
	return raw, ok && *o.err == nil && string(raw) != "null"
}

// require fails unless the members are there.
func (o *object) require(names ...string) {
	for _, name := range names {
		if _, ok := o.raw(name); !ok {
			o.fail(TypeError, "%s is missing", name)
		}
	}
}

func (o *object) read(name, want string, into any) {
	raw, ok := o.raw(name)
	if ok && json.Unmarshal(raw, into) != nil {
		o.fail(TypeError, "%s is not %s", name, want)
	}
}

func (o *object) text(name string) (s string) {
	o.read(name, "a text", &s)
	return s
}

func (o *object) flag(name string) (b bool) {
	o.read(name, "true or false", &b)
	return b
}

func (o *object) texts(name string) (s []string) {
	o.read(name, "a list of texts", &s)
	return s
}

// number reads an integer, which may be written with a fraction of zero.
func (o *object) number(name string) int64 {
	var f float64
	o.read(name, "a number", &f)
	if f != float64(int64(f)) {
		o.fail(TypeError, "%s is no integer", name)
	}
	return int64(f)
}

// bytes reads base64url, with padding or without.
func (o *object) bytes(name string) Bytes {
	text := o.text(name)
	if _, ok := o.raw(name); !ok {
		return nil
	}
	b, err := decodeBase64URL(text)
	if err != nil {
		o.fail(TypeError, "%s is not base64url", name)
	}
	return b
}

// decodeBase64URL takes what is padded too: many servers write it so, though the
// standard's JSON has none.
func decodeBase64URL(text string) (Bytes, error) {
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("base64url: %w", err)
	}
	return b, nil
}

// object reads a member that is an object; one that is absent has no members.
func (o *object) object(name string) *object {
	inside := &object{path: o.path + "." + name, err: o.err}
	if raw, ok := o.raw(name); ok {
		if json.Unmarshal(raw, &inside.members) != nil {
			o.fail(TypeError, "%s is no object", name)
		}
	}
	return inside
}

// has reports whether a member is there.
func (o *object) has(name string) bool {
	_, ok := o.raw(name)
	return ok
}

// objects reads a member that is a list of objects.
func (o *object) objects(name string) []*object {
	var list []map[string]json.RawMessage
	o.read(name, "a list of objects", &list)
	var all []*object
	for i, members := range list {
		inside := &object{path: fmt.Sprintf("%s.%s[%d]", o.path, name, i), members: members, err: o.err}
		if members == nil {
			inside.fail(TypeError, "null instead of an object")
		}
		all = append(all, inside)
	}
	return all
}
