// Package nfc carries CTAP over ISO 7816-4 APDUs: to a key in the field of an
// NFC reader, or to one that answers as a smart card over USB. It follows
// CTAP 2.3 §11.3 and reads CTAP 2.0 to 2.2 cards too.
//
// It has both ends of the wire. An [Applet] is the host's end, over any
// [Card]; an [Emulator] is a card made from a [Handler]:
//
//	card, err := pcsc.Open(ctx, reader)          // or NewEmulator, a player, ...
//	key, err := nfc.Open(ctx, card, nfc.Config{
//		OnKeepalive: func(k nfc.Keepalive) { ... "touch your key" ... },
//	})
//	defer key.Close()                            // closes the card too
//	answer, err := key.Exchange(ctx, []byte{0x04}) // authenticatorGetInfo
//
//	var sw nfc.StatusWord
//	if errors.As(err, &sw) && sw == nfc.SWInsNotSupported { ... a U2F-only key ... }
//
// Readers and cards differ in what they take: short or extended lengths, parts
// of 240 bytes or less, an Le or none. An applet finds that out by itself,
// remembers it, and tells ([Applet.Manner], [Config.OnDecision]). An emulator
// can be made to differ in the same ways ([Quirks]).
//
// The byte strings that Exchange carries are CTAP2 messages, a command byte
// or status byte followed by CBOR. This package never looks inside them.
package nfc
