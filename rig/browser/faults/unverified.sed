# devices/virtual/getassertion.go TestPasskey
# The key does not say that the PIN was entered.
s/^	s.byToken = s.uv$/	s.byToken, s.uv = s.uv, false/
