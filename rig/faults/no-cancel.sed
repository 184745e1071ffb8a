# ctaphid/transaction.go TestInterrupt
# Who does not want to wait any more goes away without a CTAPHID_CANCEL.
s/if cmd == CommandCBOR \&\& !c.asm.pending {/if false {/
