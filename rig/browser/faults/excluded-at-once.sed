# devices/virtual/makecredential.go TestExcluded
# Whoever asks is told what the key is registered for.
s/^	if !m.evident {$/	if false {/
