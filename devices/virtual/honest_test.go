package virtual_test

import (
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// ownModels are the profiles that come with the package.
var ownModels = map[string]func() *virtual.Profile{
	"default": virtual.DefaultProfile, "fingerprint": virtual.FingerprintProfile,
}

// TestOwnModelsKeepTheRules holds what the models of this package say to what
// CTAP 2.3 §6.4 and §9 demand of the members of getInfo together.
func TestOwnModelsKeepTheRules(t *testing.T) {
	for name, profile := range ownModels {
		r := newRig(t, func(c *virtual.Config) { c.Profile = profile() })
		info := r.info()
		options := info[uint64(4)].(map[any]any)
		has := func(member uint64) bool { _, ok := info[member]; return ok }
		option := func(id string) bool { _, ok := options[id]; return ok }
		is := func(id string) bool { return options[id] == true }
		lists := func(member uint64, v any) bool { l, _ := info[member].([]any); return slices.Contains(l, v) }
		extension := func(id string) bool { return lists(2, any(id)) }
		configs := func(n uint64) bool { return lists(0x1f, any(n)) }
		verifies := option("clientPin") || option("uv")
		for rule, kept := range map[string]bool{
			"hmac-secret":                              extension("hmac-secret"),
			"rk wants clientPin or uv":                 !is("rk") || verifies,
			"rk wants credMgmt":                        !is("rk") || is("credMgmt"),
			"verification wants credProtect":           !verifies || extension("credProtect"),
			"verification wants tokens":                !verifies || is("pinUvAuthToken"),
			"protocol two":                             lists(6, any(uint64(2))),
			"minPinLength wants setMinPINLength":       !extension("minPinLength") || is("setMinPINLength"),
			"setMinPINLength is a config command":      is("setMinPINLength") == configs(3),
			"setMinPINLength wants clientPin":          !is("setMinPINLength") || option("clientPin"),
			"RP IDs with setMinPINLength":              has(0x10) == is("setMinPINLength"),
			"ep is a config command":                   option("ep") == configs(1),
			"alwaysUv is a config command":             option("alwaysUv") == configs(2),
			"long touch is a config command":           has(0x18) == configs(4),
			"vendor commands":                          has(0x15) == configs(0xff),
			"config commands want authnrCfg":           !has(0x1f) || is("authnrCfg"),
			"large blob array with largeBlobs":         has(0x0b) == is("largeBlobs"),
			"largeBlobKey wants largeBlobs":            !extension("largeBlobKey") || is("largeBlobs"),
			"largeBlob excludes largeBlobKey":          !(extension("largeBlob") && extension("largeBlobKey")),
			"credBlob length with credBlob":            has(0x0f) == extension("credBlob"),
			"credBlob wants credProtect":               !extension("credBlob") || extension("credProtect"),
			"hmac-secret-mc wants hmac-secret":         !extension("hmac-secret-mc") || extension("hmac-secret"),
			"shortest PIN with clientPin":              has(0x0d) == option("clientPin"),
			"complexity wants clientPin":               !has(0x1b) || option("clientPin"),
			"uvBioEnroll wants bioEnroll":              !option("uvBioEnroll") || option("bioEnroll"),
			"uvAcfg wants authnrCfg":                   !option("uvAcfg") || is("authnrCfg"),
			"uv attempts and modality with uv":         has(0x11) == option("uv") && has(0x12) == option("uv"),
			"identifiers want the persistent token":    is("perCredMgmtRO"),
			"no version that was never defined":        !lists(1, any("FIDO_2_2")),
			"no format that is none":                   !lists(0x16, any("none")),
			"longest PIN within 8 and 63":              info[uint64(0x1d)].(uint64) >= 8 && info[uint64(0x1d)].(uint64) <= 63,
			"firmware version is not 0":                info[uint64(0x0e)] != uint64(0),
			"alwaysUv and makeCredUvNotRqd exclude":    !(is("alwaysUv") && is("makeCredUvNotRqd")),
			"a message of at least 1024 bytes":         info[uint64(5)].(uint64) >= 1024,
			"a large blob array of at least 1024":      info[uint64(0x0b)].(uint64) >= 1024,
			"a credBlob of at least 32 bytes":          info[uint64(0x0f)].(uint64) >= 32,
			"a list of at least one credential":        info[uint64(7)].(uint64) >= 1,
			"as many members as the standard has":      len(info) <= 0x1f,
			"transports for reset are transports":      lists(0x1a, any("usb")) == lists(9, any("usb")),
			"a format that a statement is really of":   lists(0x16, r.make(creation()).body[uint64(1)]),
			"credential IDs as long as they may be":    uint64(len(r.make(creation()).id)) <= info[uint64(8)].(uint64),
			"room that is less by one for each":        r.roomLeft() == r.roomAfterOneMore()+1,
			"room that is not less for one unstored":   r.roomLeft() == r.roomAfterUnstored(),
			"versions and CTAP1 agree":                 lists(1, any("U2F_V2")) == r.speaksU2F(),
			"selection, which is there since CTAP 2.1": lists(1, any("FIDO_2_1")) == (r.status(cmdSelection, nil) == 0),
		} {
			expect(t, name+": "+rule, kept, true)
		}
	}
}

func (r *rig) roomLeft() uint64 { return r.info()[uint64(0x14)].(uint64) }

func (r *rig) roomAfterOneMore() uint64 {
	r.make(discoverable("one more"))
	left := r.roomLeft()
	r.ok(cmdReset, nil)
	return left
}

func (r *rig) roomAfterUnstored() uint64 {
	r.make(creation())
	return r.roomLeft()
}

func (r *rig) speaksU2F() bool {
	_, sw := r.u2f(insVersion, 0, nil)
	return sw == 0x9000
}

// TestWhatGetInfoListsWorks uses each algorithm and each extension that the
// models list.
func TestWhatGetInfoListsWorks(t *testing.T) {
	inputs := s{
		"credProtect": 2, "credBlob": []byte{1}, "largeBlobKey": true, "minPinLength": true, "pinComplexityPolicy": true,
		"hmac-secret": true, "thirdPartyPayment": true, "uvm": true,
	}
	silent := []string{"largeBlobKey", "thirdPartyPayment"} // in makeCredential they have no signed output
	for name, profile := range ownModels {
		r := newRig(t, func(c *virtual.Config) { c.Profile = profile() })
		r.ok(cmdConfig, m{1: 3, 2: m{2: texts(rpID)}})
		info := r.info()
		for _, parameters := range info[uint64(0x0a)].([]any) {
			c := r.make(creation().with(m{4: []any{parameters}}))
			expect(t, name+": algorithm", c.key[uint64(3)], parameters.(map[any]any)["alg"])
			r.assert(assertion(c.id))
		}
		for _, listed := range info[uint64(2)].([]any) {
			id := listed.(string)
			input := s{id: inputs[id]}
			if id == "hmac-secret-mc" {
				input = s{"hmac-secret": true, id: r.agree(2).salts(make([]byte, 32))}
			}
			c := r.make(discoverable("one").with(m{6: input}))
			_, answered := c.extensions[id]
			expect(t, name+": "+id+" is answered", answered, !slices.Contains(silent, id))
		}
	}
}
