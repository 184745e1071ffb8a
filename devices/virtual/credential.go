package virtual

// credential is a public key credential source. A discoverable one is in the
// store; of any other all there is comes out of its ID.
type credential struct {
	id       []byte
	rpIDHash [32]byte
	scheme   *scheme
	private  []byte
	protect  uint8 // credProtect level, 1 to 3
	u2f      bool  // made by CTAP1
	payment  bool  // thirdPartyPayment

	discoverable bool
	rp           rpEntity
	user         userEntity
	sequence     uint64 // order of creation
	count        uint32 // the last one given, of a counter of its own
	counted      bool   // whether that is in the store
	credBlob     []byte
	largeBlobKey bool  // whether it has one
	blob         *blob // of the largeBlob extension, nil for none
}

// rpEntity is what is kept of a PublicKeyCredentialRpEntity.
type rpEntity struct {
	ID   string `cbor:"id"`
	Name string `cbor:"name,omitempty"`
}

// userEntity is a PublicKeyCredentialUserEntity.
type userEntity struct {
	ID          []byte `cbor:"id"`
	Name        string `cbor:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty"`
}

// forget wipes the private key of a credential that came out of its ID.
func (c *credential) forget() {
	if !c.discoverable {
		clear(c.private)
	}
}

// visible tells whether the credProtect level lets the credential be used (CTAP
// 2.3 §12.1): level 2 wants its ID or user verification, level 3 user
// verification.
func (c *credential) visible(uv, byID bool) bool {
	switch c.protect {
	case protectRequired:
		return uv
	case protectWithList:
		return uv || byID
	}
	return true
}
